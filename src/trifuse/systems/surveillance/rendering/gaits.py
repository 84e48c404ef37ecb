"""How people get about: walking, carrying, pushing, running, fleeing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.surveillance.rendering.movement import swing

if TYPE_CHECKING:
    from trifuse.systems.surveillance.rendering.movement import Move, Track, Values


def walk(time_s: Track, move: Move) -> Values:
    """Walk with the arms swinging."""
    step, advance = swing(time_s, move), swing(time_s, move, offset=np.pi / 2)
    stride, arm = 0.42 * move.vigour, 0.38 * move.vigour
    return {
        "lean": 0.05,
        "turn": -0.12 * step,
        "left_leg": stride * step,
        "left_knee": 0.1 + 0.65 * np.maximum(advance, 0.0),
        "right_leg": -stride * step,
        "right_knee": 0.1 + 0.65 * np.maximum(-advance, 0.0),
        "left_arm": -arm * step,
        "right_arm": arm * step,
        "left_elbow": 0.25,
        "right_elbow": 0.25,
    }


def carry(time_s: Track, move: Move) -> Values:
    """Walk with something heavy in the right hand."""
    return dict(walk(time_s, move)) | {
        "right_arm": 0.05 * swing(time_s, move),
        "right_elbow": 0.03,
        "right_out": 0.14,
    }


def push(time_s: Track, move: Move) -> Values:
    """Walk behind a trolley."""
    arms = {"left_arm": 0.75, "right_arm": 0.75, "left_elbow": 0.6, "right_elbow": 0.6}
    return dict(walk(time_s, move)) | arms | {"lean": 0.15, "turn": 0.0}


def run(time_s: Track, move: Move) -> Values:
    """Run."""
    step, advance = swing(time_s, move), swing(time_s, move, offset=np.pi / 2)
    return {
        "lean": 0.24,
        "turn": -0.25 * step,
        "left_leg": 0.15 + 0.75 * step,
        "left_knee": 0.35 + 1.15 * np.maximum(advance, 0.0),
        "right_leg": 0.15 - 0.75 * step,
        "right_knee": 0.35 + 1.15 * np.maximum(-advance, 0.0),
        "left_arm": -0.75 * step,
        "right_arm": 0.75 * step,
        "left_elbow": 1.4,
        "right_elbow": 1.4,
        "hop": 0.05 * np.abs(advance),
    }


def flee(time_s: Track, move: Move) -> Values:
    """Run with the arms over the head."""
    wave = swing(time_s, move, 1.3, 0.6)
    return dict(run(time_s, move)) | {
        "lean": 0.38,
        "left_arm": 2.2 + 0.5 * wave,
        "right_arm": 2.2 - 0.5 * wave,
        "left_out": 0.35,
        "right_out": 0.35,
        "left_elbow": 0.9,
        "right_elbow": 0.9,
    }
