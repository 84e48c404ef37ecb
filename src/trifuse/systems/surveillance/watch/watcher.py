"""Watches all cameras until they have ended or somebody says stop."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trifuse.errors import InputError
from trifuse.systems.surveillance.scene.settings import SceneSettings
from trifuse.systems.surveillance.watch.alert_settings import AlertSettings
from trifuse.systems.surveillance.watch.alerts import AlertLogic
from trifuse.systems.surveillance.watch.cameras import Camera, CameraSettings, Waiting
from trifuse.systems.surveillance.watch.capture import Capture, CaptureSettings
from trifuse.systems.surveillance.watch.evidence.keeper import EvidenceKeeper, EvidenceSettings
from trifuse.systems.surveillance.watch.evidence.writer import EvidenceWriter
from trifuse.systems.surveillance.watch.feed import Feed
from trifuse.systems.surveillance.watch.left_objects import ABANDONED
from trifuse.systems.surveillance.watch.media_clock import MediaClock
from trifuse.systems.surveillance.watch.records import EVIDENCE, PROBLEM, SUMMARY, Record, record
from trifuse.systems.surveillance.watch.scene_watch import SceneWatch
from trifuse.systems.surveillance.watch.scoring import Assessor, Scorer
from trifuse.systems.surveillance.watch.timeline import Watched, write_timelines
from trifuse.systems.surveillance.watch.waiting import WaitingRoom
from trifuse.systems.surveillance.watch.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from trifuse.systems.surveillance.watch.outlets import Outlets
    from trifuse.systems.surveillance.watch.sources import Source
    from trifuse.systems.surveillance.watch.windows import WindowSettings
    from trifuse.systems.surveillance.watch.worker import Worker
    from trifuse.systems.surveillance.watch.zones import Zone

_POLL_S = 0.1
_FILES_AT_ONCE = 4
# How long the end may take: for a camera that hangs, for the server's last answers, for files, for messages.
_CAPTURE_END_S, _SCORER_END_S, _EVIDENCE_END_S, _OUTLETS_END_S = 1.0, 10.0, 30.0, 5.0


@dataclass(frozen=True)
class WatchSettings:
    """Everything that can be chosen; evidence and timelines go to `folder`.

    `scene_history_s` is how long a scene is watched before its evidence counts, `dwell_s` how long an object
    may be alone. Up to `waiting` windows of a camera wait for the server. Live cameras are summed up every
    `summary_s`; `duration_s` ends the watch.
    """

    windows: WindowSettings
    folder: Path
    scene_history_s: float = 10.0
    dwell_s: float = 30.0
    alerts: AlertSettings = field(default_factory=AlertSettings)
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    silent_after_s: float = 10.0
    waiting: int = 4
    summary_s: float = 60.0
    duration_s: float | None = None


class Watcher:
    """Runs a capture a camera, one scorer and the writer of evidence, and puts an end to them.

    `cameras` are the states of the sources, by name.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        settings: WatchSettings,
        assessor: Callable[[], AbstractContextManager[Assessor]],
        outlets: Outlets,
        *,
        zones: Mapping[str, tuple[Zone, ...]] | None = None,
        transcripts: Mapping[str, Path] | None = None,
    ) -> None:
        """Prepare everything; `assessor` opens one, in the thread that uses it.

        Raises ArtifactError for subtitles that cannot be read.
        """
        self._settings, self._outlets = settings, outlets
        self._zones, self._transcripts = zones or {}, transcripts or {}
        self._stop = threading.Event()
        self._gate = threading.Semaphore(_FILES_AT_ONCE)
        self._room: WaitingRoom[Waiting] = WaitingRoom([one.name for one in sources], settings.waiting)
        self._writer = EvidenceWriter(settings.folder / "evidence", self._report)
        self.cameras: dict[str, Camera] = {}
        self._captures = [self._capture(source) for source in sources]
        self._live = any(source.live for source in sources)
        self._scorer = Scorer(
            self._room, self.cameras, assessor, self._report, self._stop, patient=self._live
        )
        self._workers: tuple[Worker, ...] = (self._scorer, *self._captures)

    def stop(self) -> None:
        """End the watch soon; may be called from any thread."""
        self._stop.set()

    def run(self) -> Record:
        """Watch until all files have ended, somebody stops it, or Ctrl-C; returns the summary.

        Raises what the server answers to files, and InputError if none of the sources could be opened.
        """
        for worker in self._workers:
            worker.start()
        try:
            self._watch()
        except KeyboardInterrupt:
            self._stop.set()
        summary = self._finish()
        for worker in self._workers:
            if worker.failure:
                raise worker.failure
        self._refuse_nothing()
        return summary

    def _watch(self) -> None:
        began_s = told_s = time.monotonic()
        while any(capture.is_alive() for capture in self._captures) and not self._stop.wait(_POLL_S):
            now_s = time.monotonic()
            if any(worker.failure for worker in self._workers):
                return
            for camera in self.cameras.values():
                camera.check_presence()
            if self._live and now_s - told_s >= self._settings.summary_s:
                told_s = now_s
                self._report(self._summary())
            if self._settings.duration_s is not None and now_s - began_s >= self._settings.duration_s:
                return

    def _finish(self) -> Record:
        """Let everybody finish what they have begun, in the order in which it passes through them."""
        if any(capture.is_alive() for capture in self._captures):
            self._stop.set()
        self._join_captures(_CAPTURE_END_S)
        self._room.close()
        self._join_captures(0.0)
        # Recordings are assessed to their end, whatever it takes; a watch that was stopped has to end.
        self._scorer.join(_SCORER_END_S if self._stop.is_set() else None)
        for camera in self.cameras.values():
            camera.close("the watch has ended")
        self._writer.close(_EVIDENCE_END_S)
        page = self._write_timelines()
        self._outlets.close(_OUTLETS_END_S)
        return self._summary() | {"timeline": page}

    def _join_captures(self, patience_s: float) -> None:
        """Wait for all captures for a time; without patience, for all but those that a source holds up."""
        deadline = time.monotonic() + patience_s
        for capture in self._captures:
            while capture.is_alive() and (
                time.monotonic() < deadline if patience_s else not capture.waits_for_source
            ):
                capture.join(_POLL_S)

    def _write_timelines(self) -> str | None:
        watched = [Watched(name, one.history, one.summary()) for name, one in self.cameras.items()]
        try:
            return str(write_timelines(self._settings.folder, watched, self._settings.alerts.events))
        except OSError as error:
            self._report(record(PROBLEM, problem=f"the timelines cannot be written: {error}"))
            return None

    def _summary(self) -> Record:
        cameras = {name: camera.summary() for name, camera in self.cameras.items()}
        evidence = dict(self._writer.counts)
        return record(SUMMARY, cameras=cameras, evidence=evidence, outlets=self._outlets.summary())

    def _refuse_nothing(self) -> None:
        troubles = [camera.trouble for camera in self.cameras.values() if not camera.was_connected]
        if len(troubles) == len(self.cameras) and not self._live:
            raise InputError(
                "nothing could be watched", got=troubles[0], expected="a file with video or sound"
            )

    def _report(self, told: Record) -> None:
        if told["record"] == EVIDENCE:
            self.cameras[told["camera"]].history.add_evidence(told["id"], told["medium"], told["path"])
        self._outlets(told)

    def _capture(self, source: Source) -> Capture:
        """Build what belongs to one source, from its stream to its alerts."""
        settings = self._settings
        zones = self._zones.get(source.name, ())
        scene = SceneSettings(dwell_s=settings.dwell_s, zones=tuple(zone.polygon for zone in zones))
        keeper = EvidenceKeeper(settings.evidence, self._writer, self._reach_back_s())
        feed = Feed(
            settings.windows,
            MediaClock(live=source.live),
            Words.of(source, self._transcripts.get(source.name)),
            SceneWatch(scene, settings.scene_history_s),
            keeper.ring,
        )
        waits = not source.live and not settings.capture.real_time
        camera = self.cameras[source.name] = Camera(
            source,
            feed,
            AlertLogic(source.name, settings.alerts),
            keeper,
            self._room,
            self._report,
            CameraSettings(zones, settings.silent_after_s, patient=waits),
        )
        gate = self._gate if waits else contextlib.nullcontext()
        return Capture(source, feed, camera, settings.capture, self._stop, gate)

    def _reach_back_s(self) -> float:
        """Say how long before it is told an incident may have begun, as far as its clip is concerned."""
        windows, alerts = self._settings.windows, self._settings.alerts
        smoothed_s = windows.window_s + alerts.smoothing.n * windows.stride_s
        dwelt_s = self._settings.dwell_s + windows.window_s
        return max(smoothed_s, dwelt_s) if ABANDONED in alerts.events else smoothed_s
