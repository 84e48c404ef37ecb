"""How people stand, sit, bend, and go down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.surveillance.rendering.movement import dropped, eased, swing

if TYPE_CHECKING:
    from trifuse.systems.surveillance.rendering.movement import Move, Track, Values


def stand(time_s: Track, move: Move) -> Values:
    """Stand and sway a little."""
    sway = 0.03 * swing(time_s, move, 0.3)
    return {"lean": sway, "turn": 2 * sway, "nod": 0.15 * move.vigour, "left_leg": 0.06, "right_leg": -0.06}


def phone(time_s: Track, move: Move) -> Values:
    """Stand with a phone at the ear."""
    return {
        "nod": 0.3,
        "turn": 0.1 * swing(time_s, move, 0.2),
        "right_arm": 0.7,
        "right_elbow": 2.2,
        "right_out": 0.25,
    }


def fall(time_s: Track, move: Move) -> Values:
    """Collapse within a good half second and stay down."""
    down = dropped(time_s, 0.75 - 0.2 * move.vigour)
    buckle = 4 * down * (1 - down)
    stir = 0.06 * swing(time_s, move, 0.3)
    return {
        "topple": 1.52 * down,
        "left_leg": 0.25 * down + 0.5 * buckle,
        "left_knee": 0.5 * down + 0.9 * buckle,
        "right_leg": 0.1 * down + 0.3 * buckle,
        "right_knee": 0.2 * down + 0.7 * buckle,
        "left_arm": 0.7 * down + stir,
        "left_out": 0.1 + 0.9 * down,
        "right_arm": 1.4 * buckle + 0.3 * down,
        "right_out": 0.1 + 0.6 * down,
        "right_elbow": 0.3 + 0.5 * down + stir,
    }


def slump(time_s: Track, move: Move) -> Values:
    """Go down to the ground quickly and sit there, leaning back: by weakness or to rest."""
    down = eased(time_s, 1.0 - 0.25 * move.vigour)
    fold = 4 * down * (1 - down)
    return {
        "topple": 0.4 * down,
        "way": np.pi,
        "lean": 0.15 * down + 0.6 * fold,
        "left_leg": 1.65 * down + 0.3 * fold,
        "left_knee": 1.5 * down + 0.7 * fold,
        "right_leg": 1.2 * down + 0.5 * fold,
        "right_knee": 0.25 * down + 1.4 * fold,
        "left_arm": -0.35 * down,
        "right_arm": -0.25 * down + 0.4 * fold,
        "left_out": 0.1 + 0.3 * down,
        "right_out": 0.1 + 0.3 * down,
        "nod": 0.5 * down,
    }


def sit(time_s: Track, move: Move) -> Values:
    """Sit down as on a bench."""
    down = eased(time_s, 1.1)
    reach = 4 * down * (1 - down)
    return {
        "lean": 0.5 * reach + 0.05 * swing(time_s, move, 0.2),
        "left_leg": 1.5 * down,
        "left_knee": 1.5 * down,
        "right_leg": 1.5 * down,
        "right_knee": 1.5 * down,
        "left_arm": 0.5 * down,
        "right_arm": 0.45 * down,
        "left_elbow": 0.15 + 0.7 * down,
        "right_elbow": 0.15 + 0.8 * down,
        "spread": 0.1,
    }


def bend(time_s: Track, move: Move) -> Values:
    """Bend to the ground and come up again, within two seconds at pace 1."""
    down = np.sin(np.clip(time_s * move.pace / 2, 0.0, 1.0) * np.pi) ** 0.8
    return {
        "lean": 1.15 * down,
        "nod": 0.2 * down,
        "left_leg": 0.75 * down,
        "left_knee": 1.2 * down,
        "right_leg": 0.55 * down,
        "right_knee": 1.15 * down,
        "left_arm": 0.9 * down,
        "right_arm": 0.75 * down,
    }


def kneel(time_s: Track, move: Move) -> Values:
    """Kneel to tie a shoe or to help somebody."""
    down = eased(time_s, 0.9)
    work = 0.15 * swing(time_s, move, 1.2)
    return {
        "lean": 0.65 * down,
        "left_leg": 1.35 * down,
        "left_knee": 1.6 * down,
        "right_leg": 0.2 * down,
        "right_knee": 1.75 * down,
        "left_arm": (0.7 + work) * down,
        "right_arm": (0.7 - work) * down,
        "left_elbow": 0.3 + work,
        "right_elbow": 0.3 - work,
    }
