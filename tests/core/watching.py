"""Watching in tests: a model whose score is how bright the picture is, and all that is told."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trifuse.systems.surveillance.calls import Assessment
from trifuse.systems.surveillance.contract import DECISIONS, EVENTS, contract
from trifuse.systems.surveillance.watch.alert_settings import AlertSettings
from trifuse.systems.surveillance.watch.cameras import Camera
from trifuse.systems.surveillance.watch.capture import CaptureSettings
from trifuse.systems.surveillance.watch.outlets import Outlets, OutletSettings
from trifuse.systems.surveillance.watch.sources import find_sources
from trifuse.systems.surveillance.watch.watcher import Watcher, WatchSettings
from trifuse.systems.surveillance.watch.windows import WindowSettings
from trifuse.systems.surveillance.window import Window

SHAPE = (8, 56)
WINDOWS = WindowSettings.of(contract("smoke").settings, SHAPE, 1.0)
CAPTURE = CaptureSettings(open_timeout_s=1.0, read_timeout_s=0.5, first_pause_s=0.1, longest_pause_s=0.2)


def assessment(**scores: float) -> Assessment:
    """What a server would answer that has 0.5 for all thresholds; scores not given are 0."""
    abnormal = scores.pop("abnormal", 0.0)
    return Assessment(abnormal, dict.fromkeys(EVENTS, 0.0) | scores, dict.fromkeys(DECISIONS, 0.5), 1)


class Brightness:
    """Scores a fight by how bright the frames are, a blast by how loud it is; keeps all windows."""

    def __init__(self) -> None:
        self.windows: list[Window] = []

    def assess_many(self, windows: Sequence[Window]) -> list[Assessment]:
        self.windows += windows
        return [assessment(fight=_brightness(window), blast=_loudness(window)) for window in windows]


def bright(start_s: float, end_s: float, size: tuple[int, int] = (64, 48)) -> Callable[[float], Any]:
    """Pictures (height, width, 3) that are white from one time to another, else black."""

    def picture(time_s: float) -> Any:
        return np.full((*size[::-1], 3), 240 if start_s <= time_s < end_s else 10, np.uint8)

    return picture


class Watching:
    """A watch in a thread of its own: its settings can be changed, its records be waited for."""

    def __init__(self, folder: Path, *sources: object, assessor: Any = None, **changes: Any) -> None:
        self.assessor = assessor or Brightness()
        self.output = folder / "records.jsonl"
        alerts = AlertSettings(events=("fight", "blast"))
        settings = WatchSettings(WINDOWS, folder, alerts=alerts, capture=CAPTURE, silent_after_s=2.0)
        extra = {name: changes.pop(name) for name in ("zones", "transcripts") if name in changes}
        self._outlets = Outlets(OutletSettings(self.output))
        self._watcher = Watcher(
            find_sources(list(map(str, sources))),
            replace(settings, **changes),
            lambda: contextlib.nullcontext(self.assessor),
            self._outlets,
            **extra,
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.summary: dict[str, Any] = {}
        self.error: BaseException | None = None

    def _run(self) -> None:
        try:
            self.summary = self._watcher.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
            self.error = error

    def __enter__(self) -> Watching:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watcher.stop()
        self.wait()

    def wait(self, timeout_s: float = 30.0) -> Watching:
        """Wait for the end."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "the watch does not end"
        return self

    def run(self) -> Watching:
        """Watch to the end."""
        self._thread.start()
        return self.wait()

    def camera(self, name: str) -> Camera:
        """The state of a camera that is watched."""
        return self._watcher.cameras[name]

    def records(self, kind: str) -> list[dict[str, Any]]:
        """The records of a kind that were told so far."""
        lines = self.output.read_text(encoding="utf-8").splitlines() if self.output.exists() else []
        return [told for told in map(json.loads, lines) if told["record"] == kind]

    def wait_for(self, kind: str, count: int = 1, timeout_s: float = 20.0) -> dict[str, Any]:
        """Wait until a record of a kind was told, the count-th of them."""
        pause, waited = threading.Event(), 0.0
        while len(self.records(kind)) < count:
            assert waited < timeout_s, f"no {kind} after {timeout_s} s: {self.output.read_text()}"
            pause.wait(0.05)
            waited += 0.05
        return self.records(kind)[count - 1]


def _brightness(window: Window) -> float:
    return 0.0 if window.frames is None else float(window.frames.mean()) / 255


def _loudness(window: Window) -> float:
    return 0.0 if window.pcm is None else float(np.abs(window.pcm).mean())
