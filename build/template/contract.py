"""The template system's tensors, limits and ensembles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.clip_contract import ClipSize, clip_contract
from trifuse.contracts import TensorSpec

if TYPE_CHECKING:
    from trifuse.contracts import SystemContract

CLASSES = ("still", "moving")

_WINDOW_S = 2.0
_SIZES = {
    "smoke": ClipSize(frame_count=8, frame_size=56, text_lengths=(16,)),
    "demo": ClipSize(frame_count=8, frame_size=64, text_lengths=(16, 32)),
    "full": ClipSize(frame_count=16, frame_size=112, text_lengths=(16, 32, 64)),
}


def contract(profile: str) -> SystemContract:
    """Build the contract of a profile (`smoke`, `demo` or `full`)."""
    answers = (TensorSpec("class_scores", "FP32", (len(CLASSES),)),)
    return clip_contract("template", profile, _SIZES[profile], _WINDOW_S, answers, {"classes": CLASSES})
