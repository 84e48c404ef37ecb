"""Writes snapshots and clips in a thread of its own, after the alert has gone out."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifuse.artifacts import write_file
from trifuse.errors import ArtifactError
from trifuse.systems.surveillance.watch.evidence.clip import clip_bytes, snapshot_bytes
from trifuse.systems.surveillance.watch.records import EVIDENCE, PROBLEM, record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trifuse.systems.surveillance.watch.evidence.packets import Excerpt
    from trifuse.systems.surveillance.watch.incidents import Alert
    from trifuse.systems.surveillance.watch.records import Record

SNAPSHOT, CLIP = "snapshot", "clip"
_SUFFIXES = {SNAPSHOT: ".jpg", CLIP: ".mp4"}
# Each holds seconds of packets.
_MOST_WAITING = 32


@dataclass(frozen=True)
class _Job:
    kind: str
    alert: Alert
    excerpt: Excerpt


class EvidenceWriter:
    """Writes `<folder>/<camera>/<event>-<id>.jpg` and `.mp4`, and reports where, or why not.

    `counts` are files written, failed and dropped because too many were waiting.
    """

    def __init__(self, folder: Path, report: Callable[[Record], None]) -> None:
        self._folder, self._report = folder, report
        self._jobs: queue.Queue[_Job | None] = queue.Queue(_MOST_WAITING)
        self.counts: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._work, name="evidence", daemon=True)
        self._thread.start()

    def write(self, kind: str, alert: Alert, excerpt: Excerpt) -> None:
        """Have a `snapshot` (the last picture) or a `clip` written; never waits."""
        try:
            self._jobs.put_nowait(_Job(kind, alert, excerpt))
        except queue.Full:
            self.counts["dropped"] += 1
            self._tell_problem(kind, alert, "too much evidence is waiting to be written")

    def close(self, timeout_s: float) -> None:
        """Finish what waits, within a time."""
        deadline = time.monotonic() + timeout_s
        try:
            self._jobs.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while job := self._jobs.get():
            try:
                path = self._write(job)
            except (ArtifactError, OSError) as error:
                self.counts["failed"] += 1
                self._tell_problem(job.kind, job.alert, str(error))
            else:
                self.counts["written"] += 1
                alert = job.alert
                found = {"id": alert.id, "event": alert.event, "medium": job.kind, "path": str(path)}
                self._report(record(EVIDENCE, alert.camera, **found))

    def _write(self, job: _Job) -> Path:
        name = f"{job.alert.event}-{job.alert.id}{_SUFFIXES[job.kind]}"
        path = self._folder / job.alert.camera / name
        content = clip_bytes(job.excerpt) if job.kind == CLIP else snapshot_bytes(job.excerpt, job.alert.box)
        write_file(path, content)
        return path

    def _tell_problem(self, kind: str, alert: Alert, problem: str) -> None:
        told = f"the {kind} cannot be written: {problem}"
        self._report(record(PROBLEM, alert.camera, id=alert.id, event=alert.event, problem=told))
