"""The surveillance system's tensors, limits and ensembles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.clip_contract import SENSES, ClipSize, Extra, clip_contract
from trifuse.contracts import TensorSpec

if TYPE_CHECKING:
    from trifuse.contracts import SystemContract

EVENTS = ("fight", "fall", "abandoned_object", "crowd_panic", "blast", "threat")
# What a window is made of, in the order of the presence mask.
MODALITIES = (*SENSES, "scene")
SCENE_DIM = 8
ABNORMAL = "abnormal"
# The columns of the thresholds, and of whatever else is decided.
DECISIONS = (ABNORMAL, *EVENTS)

_WINDOW_S = 2.0
# The abandoned-object branch has something to say after it has watched for so long.
_SCENE_HISTORY_S = 10.0
_SIZES = {
    "smoke": ClipSize(frame_count=8, frame_size=56, text_lengths=(16, 32)),
    "demo": ClipSize(frame_count=8, frame_size=64, text_lengths=(16, 32)),
    "full": ClipSize(frame_count=16, frame_size=112, text_lengths=(16, 32, 64)),
}


def contract(profile: str) -> SystemContract:
    """Build the contract of a profile (`smoke`, `demo` or `full`)."""
    return clip_contract(
        "surveillance",
        profile,
        _SIZES[profile],
        _WINDOW_S,
        answers=(
            TensorSpec("abnormal_score", "FP32", (1,)),
            TensorSpec("event_scores", "FP32", (len(EVENTS),)),
            TensorSpec("thresholds", "FP32", (len(DECISIONS),)),
        ),
        settings={"events": EVENTS, "scene_history_s": _SCENE_HISTORY_S},
        extra=Extra(TensorSpec("scene", "FP32", (SCENE_DIM,)), TensorSpec("evidence", "FP32", (SCENE_DIM,))),
    )
