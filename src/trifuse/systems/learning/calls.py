"""What the learning system's clients do, written once for blocking and asyncio use; results are typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifuse.client.windows import ask, clip_inputs, window_inputs
from trifuse.systems import PROFILES
from trifuse.systems.learning.contract import BEHAVIOURS, contract

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

    from trifuse.client import Answer
    from trifuse.client.operations import Request
    from trifuse.client.windows import Row
    from trifuse.preprocessing.window import Window

MODEL, CLIP_MODEL = "learning", "learning_clip"
_OUTPUTS = ("behaviour_scores", "attention_scores")
# The batch limit is the same in every profile.
_MAX_ITEMS = contract(PROFILES[0]).max_batch_size


@dataclass(frozen=True)
class Observation:
    """What a window shows of a learner: calibrated probabilities of behaviours and of attention levels.

    `behaviours` sum up to 1, and so do `levels`, of attention 0 to 3, which say nothing where the learner is
    absent; `version` is the published version.
    """

    behaviours: dict[str, float]
    levels: tuple[float, ...]
    version: int

    @property
    def behaviour(self) -> str:
        """Name the likeliest behaviour."""
        return max(self.behaviours, key=lambda name: self.behaviours[name])

    @property
    def attention(self) -> float:
        """Tell the expected level of attention, 0 to 3."""
        return sum(level * share for level, share in enumerate(self.levels))


def observe(windows: Sequence[Window]) -> Generator[Request, Answer, list[Observation]]:
    """Observe windows; those with equal modalities and lengths share requests. Raises InputError."""
    items = [window_inputs(window) for window in windows]
    return [_observation(row) for row in (yield from ask(MODEL, items, _OUTPUTS, _MAX_ITEMS))]


def observe_clips(
    clips: Iterable[bytes | Path], text: str | None = None
) -> Generator[Request, Answer, list[Observation]]:
    """Observe whole media files, which the server decodes; `text` takes the place of their transcript."""
    rows = yield from ask(CLIP_MODEL, clip_inputs(clips, text), _OUTPUTS, _MAX_ITEMS)
    return [_observation(row) for row in rows]


def _observation(row: Row) -> Observation:
    behaviours = dict(zip(BEHAVIOURS, row.outputs["behaviour_scores"], strict=True))
    return Observation(behaviours, tuple(row.outputs["attention_scores"]), row.version)
