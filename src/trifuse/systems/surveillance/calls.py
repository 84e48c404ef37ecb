"""What the surveillance system's clients do, written once for blocking and asyncio use; results are typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifuse.client.windows import ask, clip_inputs, window_inputs
from trifuse.systems import PROFILES
from trifuse.systems.surveillance.contract import ABNORMAL, DECISIONS, EVENTS, contract

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

    from trifuse.client import Answer
    from trifuse.client.operations import Request
    from trifuse.client.windows import Row
    from trifuse.systems.surveillance.window import Window

MODEL, CLIP_MODEL = "surveillance", "surveillance_clip"
_OUTPUTS = ("abnormal_score", "event_scores", "thresholds")
# The batch limit is the same in every profile.
_MAX_ITEMS = contract(PROFILES[0]).max_batch_size


@dataclass(frozen=True)
class Assessment:
    """What a window shows: calibrated probabilities of `abnormal` and of every event.

    `thresholds` of "abnormal" and the events were chosen with the model; `version` is the published version.
    """

    abnormal: float
    events: dict[str, float]
    thresholds: dict[str, float]
    version: int

    @property
    def is_abnormal(self) -> bool:
        """Say whether the window is abnormal."""
        return self.abnormal >= self.thresholds[ABNORMAL]

    @property
    def found(self) -> tuple[str, ...]:
        """Name the events at or above their thresholds, the likeliest first."""
        likely = sorted(self.events, key=lambda event: -self.events[event])
        return tuple(event for event in likely if self.events[event] >= self.thresholds[event])


def assess(windows: Sequence[Window]) -> Generator[Request, Answer, list[Assessment]]:
    """Assess windows; those with equal modalities and lengths share requests. Raises InputError."""
    items = []
    for window in windows:
        inputs = window_inputs(window)
        if window.scene is not None:
            inputs["scene"] = np.ascontiguousarray(window.scene, np.float32)
        items.append(inputs)
    return [_assessment(row) for row in (yield from ask(MODEL, items, _OUTPUTS, _MAX_ITEMS))]


def assess_clips(
    clips: Iterable[bytes | Path], text: str | None = None
) -> Generator[Request, Answer, list[Assessment]]:
    """Assess whole media files, which the server decodes; `text` takes the place of their subtitles."""
    rows = yield from ask(CLIP_MODEL, clip_inputs(clips, text), _OUTPUTS, _MAX_ITEMS)
    return [_assessment(row) for row in rows]


def _assessment(row: Row) -> Assessment:
    events = dict(zip(EVENTS, row.outputs["event_scores"], strict=True))
    thresholds = dict(zip(DECISIONS, row.outputs["thresholds"], strict=True))
    return Assessment(row.outputs["abnormal_score"][0], events, thresholds, row.version)
