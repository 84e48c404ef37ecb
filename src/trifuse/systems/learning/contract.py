"""The learning system's tensors, limits and ensembles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.clip_contract import SENSES, ClipSize, clip_contract
from trifuse.contracts import TensorSpec

if TYPE_CHECKING:
    from trifuse.contracts import SystemContract

# What a camera and a microphone observe of a learner, one at a time; nothing of it is an emotion.
ABSENT = "absent"
BEHAVIOURS = (
    "attentive",
    "reading_writing",
    "hand_raised",
    "discussing",
    "looking_away",
    "using_phone",
    ABSENT,
)
# Attention, an ordinal scale from 0 to 3. Source of the names: EngageNet
# (https://doi.org/10.1145/3577190.3614164), section 3.
LEVELS = ("not engaged", "barely engaged", "engaged", "highly engaged")
# What a window is made of, in the order of the presence mask.
MODALITIES = SENSES

# Clips of the published sets last ten seconds: two windows.
_WINDOW_S = 5.0
_SIZES = {
    "smoke": ClipSize(frame_count=8, frame_size=56, text_lengths=(16, 32)),
    "demo": ClipSize(frame_count=8, frame_size=64, text_lengths=(16, 32)),
    "full": ClipSize(frame_count=16, frame_size=112, text_lengths=(16, 32, 64)),
}


def contract(profile: str) -> SystemContract:
    """Build the contract of a profile (`smoke`, `demo` or `full`)."""
    return clip_contract(
        "learning",
        profile,
        _SIZES[profile],
        _WINDOW_S,
        answers=(
            TensorSpec("behaviour_scores", "FP32", (len(BEHAVIOURS),)),
            TensorSpec("attention_scores", "FP32", (len(LEVELS),)),
        ),
        settings={"behaviours": BEHAVIOURS, "levels": LEVELS},
    )
