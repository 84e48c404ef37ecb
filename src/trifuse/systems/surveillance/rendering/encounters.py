"""What people do to each other: talk, strike, hold, dance, hug, call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.systems.surveillance.rendering.movement import swing

if TYPE_CHECKING:
    from trifuse.systems.surveillance.rendering.movement import Move, Track, Values


def talk(time_s: Track, move: Move) -> Values:
    """Talk with the hands."""
    beat, other = swing(time_s, move, 0.8), swing(time_s, move, 0.5, 1.7)
    return {
        "lean": 0.04 * other,
        "turn": 0.12 * beat,
        "nod": 0.12 * swing(time_s, move, 0.9),
        "left_arm": 0.45 + 0.35 * beat,
        "left_elbow": 1.1 + 0.45 * other,
        "right_arm": 0.2 + 0.25 * other * move.vigour,
        "right_elbow": 0.5 + 0.4 * np.maximum(other, 0.0),
        "left_leg": 0.08,
        "right_leg": -0.08,
    }


def _stance(time_s: Track, move: Move) -> dict[str, Any]:
    bounce = 0.1 * swing(time_s, move, 1.5)
    return {
        "left_leg": 0.4 + bounce,
        "left_knee": 0.45 + bounce,
        "right_leg": -0.35 + bounce,
        "right_knee": 0.3 - bounce,
        "spread": 0.12,
    }


def strike(time_s: Track, move: Move) -> Values:
    """Punch with both fists in turn from a guard."""
    left = np.maximum(swing(time_s, move), 0.0) ** 3 * move.vigour
    right = np.maximum(-swing(time_s, move), 0.0) ** 3 * move.vigour
    return _stance(time_s, move) | {
        "lean": 0.15 + 0.3 * (left + right),
        "turn": 0.75 * (left - right),
        "left_arm": 0.9 + 0.75 * left,
        "left_elbow": 2.0 - 1.95 * left,
        "right_arm": 0.9 + 0.75 * right,
        "right_elbow": 2.0 - 1.95 * right,
    }


def kick(time_s: Track, move: Move) -> Values:
    """Kick with the right foot."""
    kick = np.maximum(swing(time_s, move), 0.0) ** 2 * move.vigour
    return _stance(time_s, move) | {
        "lean": 0.1 - 0.45 * kick,
        "right_leg": -0.35 + 1.75 * kick,
        "right_knee": 0.3 + 1.0 * kick * (1 - kick),
        "left_leg": 0.1,
        "left_arm": 0.9,
        "left_elbow": 1.6,
        "right_arm": 0.5 - 0.9 * kick,
        "right_elbow": 1.2,
    }


def reel(time_s: Track, move: Move) -> Values:
    """Be hit: thrown back with the arms in the air."""
    jolt = np.maximum(swing(time_s, move, 1.0, -0.5), 0.0) * move.vigour
    return _stance(time_s, move) | {
        "lean": 0.1 - 0.65 * jolt,
        "turn": 0.5 * swing(time_s, move, 0.5),
        "nod": -0.5 * jolt,
        "left_arm": 0.7 + 0.9 * jolt,
        "left_out": 0.2 + 0.8 * jolt,
        "left_elbow": 1.6 - 1.2 * jolt,
        "right_arm": 0.7 + 0.6 * jolt,
        "right_out": 0.2 + 0.9 * jolt,
        "right_elbow": 1.6 - 1.0 * jolt,
    }


def cower(time_s: Track, move: Move) -> Values:
    """Bend away and cover the head."""
    shiver = 0.12 * swing(time_s, move, 2.0)
    return _stance(time_s, move) | {
        "lean": 0.75 + shiver,
        "left_arm": 1.7,
        "right_arm": 1.8,
        "left_elbow": 2.1 + shiver,
        "right_elbow": 2.0 - shiver,
        "left_knee": 0.8,
        "right_knee": 0.7,
    }


def grapple(time_s: Track, move: Move) -> Values:
    """Hold on to somebody and push and pull, in earnest or in play."""
    tug, pull = swing(time_s, move, 1.1), swing(time_s, move, 0.7, 1.1)
    return {
        "lean": 0.3 + 0.2 * tug,
        "turn": 0.35 * pull,
        "left_arm": 1.3 + 0.35 * pull,
        "left_out": 0.1 + 0.25 * tug,
        "left_elbow": 0.75 + 0.5 * tug,
        "right_arm": 1.3 - 0.35 * tug,
        "right_out": 0.1 - 0.2 * pull,
        "right_elbow": 0.75 - 0.5 * pull,
        "left_leg": 0.35 + 0.3 * pull,
        "left_knee": 0.5 + 0.3 * tug,
        "right_leg": -0.3 - 0.3 * tug,
        "right_knee": 0.4 - 0.3 * pull,
        "spread": 0.1,
    }


def dance(time_s: Track, move: Move) -> Values:
    """Dance to a beat."""
    beat, sway = swing(time_s, move), swing(time_s, move, 0.5)
    bend = 0.3 + 0.2 * swing(time_s, move, 2.0)
    return {
        "lean": 0.06 * beat,
        "turn": 0.4 * sway,
        "left_arm": 1.6 + 0.9 * beat * move.vigour,
        "left_out": 0.5 + 0.3 * sway,
        "left_elbow": 0.9 + 0.5 * sway,
        "right_arm": 1.6 - 0.9 * beat * move.vigour,
        "right_out": 0.5 - 0.3 * sway,
        "right_elbow": 0.9 - 0.5 * sway,
        "left_leg": bend / 2 + 0.2 * sway,
        "left_knee": bend,
        "right_leg": bend / 2 - 0.2 * sway,
        "right_knee": bend,
        "spread": 0.14,
        "hop": 0.03 * np.abs(beat),
    }


def hug(time_s: Track, move: Move) -> Values:
    """Hold somebody in the arms."""
    sway = swing(time_s, move, 0.4)
    return {
        "lean": 0.12 + 0.04 * sway,
        "turn": 0.12 * sway,
        "left_arm": 1.45,
        "left_out": -0.2,
        "left_elbow": 0.7,
        "right_arm": 1.15,
        "right_out": -0.2,
        "right_elbow": 0.8,
    }


def cheer(time_s: Track, move: Move) -> Values:
    """Call out and wave, as vendors and supporters do."""
    wave = swing(time_s, move, 1.2)
    return {
        "turn": 0.25 * swing(time_s, move, 0.4),
        "right_arm": 2.3 + 0.4 * wave,
        "right_out": 0.3,
        "right_elbow": 0.5 + 0.4 * wave,
        "left_arm": 0.6 + 0.3 * swing(time_s, move, 0.7),
        "left_elbow": 1.2,
    }
