"""All motions by their names: the angles of a pose over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.surveillance.rendering import encounters, gaits, postures
from trifuse.systems.surveillance.rendering.skeleton import Angle

if TYPE_CHECKING:
    from trifuse.systems.surveillance.rendering.movement import Motion, Move, Track

_MOTIONS: dict[str, Motion] = {
    motion.__name__: motion
    for motion in (
        gaits.walk,
        gaits.carry,
        gaits.push,
        gaits.run,
        gaits.flee,
        encounters.talk,
        encounters.strike,
        encounters.kick,
        encounters.reel,
        encounters.cower,
        encounters.grapple,
        encounters.dance,
        encounters.hug,
        encounters.cheer,
        postures.stand,
        postures.phone,
        postures.fall,
        postures.slump,
        postures.sit,
        postures.bend,
        postures.kneel,
    )
}


def angles(move: Move, time_s: Track) -> Track:
    """Compute a motion's poses at times since it began: (T,) -> (T, angles)."""
    pose = np.zeros((len(time_s), len(Angle)))
    values = {
        "left_out": 0.1,
        "right_out": 0.1,
        "left_elbow": 0.15,
        "right_elbow": 0.15,
        "spread": 0.05,
        "way": move.way,
    } | dict(_MOTIONS[move.name](time_s, move))
    for name, value in values.items():
        pose[:, Angle[name.upper()]] = value
    return pose
