"""What the template system's clients do, written once for blocking and asyncio use; results are typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifuse.client.windows import ask, window_inputs
from trifuse.systems import PROFILES
from trifuse.systems.template.contract import CLASSES, contract

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from trifuse.client import Answer
    from trifuse.client.operations import Request
    from trifuse.preprocessing.window import Window

MODEL = "template"
# The batch limit is the same in every profile.
_MAX_ITEMS = contract(PROFILES[0]).max_batch_size


@dataclass(frozen=True)
class Judgement:
    """What a window shows: a calibrated probability of every class; `version` is the published version."""

    classes: dict[str, float]
    version: int


def judge(windows: Sequence[Window]) -> Generator[Request, Answer, list[Judgement]]:
    """Judge windows. Raises InputError."""
    rows = yield from ask(MODEL, [window_inputs(one) for one in windows], ("class_scores",), _MAX_ITEMS)
    return [
        Judgement(dict(zip(CLASSES, row.outputs["class_scores"], strict=True)), row.version) for row in rows
    ]
