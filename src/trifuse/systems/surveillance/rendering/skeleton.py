"""Bodies and their joints: from the angles of a pose to points in the world."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Track = NDArray[np.float64]

Colour = tuple[int, int, int]


class Angle(IntEnum):
    """Columns of a pose, in radians; arms and legs hang straight down at 0 and swing forward."""

    LEAN = 0
    TURN = auto()
    NOD = auto()
    LEFT_ARM = auto()
    LEFT_OUT = auto()
    LEFT_ELBOW = auto()
    RIGHT_ARM = auto()
    RIGHT_OUT = auto()
    RIGHT_ELBOW = auto()
    LEFT_LEG = auto()
    LEFT_KNEE = auto()
    RIGHT_LEG = auto()
    RIGHT_KNEE = auto()
    SPREAD = auto()
    # The whole body falls over by TOPPLE towards WAY (0 = forward, to the right is positive).
    TOPPLE = auto()
    WAY = auto()
    # Metres above the ground.
    HOP = auto()


class Joint(IntEnum):
    """Rows of a body's points."""

    PELVIS = 0
    NECK = auto()
    HEAD = auto()
    LEFT_SHOULDER = auto()
    LEFT_ELBOW = auto()
    LEFT_HAND = auto()
    RIGHT_SHOULDER = auto()
    RIGHT_ELBOW = auto()
    RIGHT_HAND = auto()
    LEFT_HIP = auto()
    LEFT_KNEE = auto()
    LEFT_FOOT = auto()
    LEFT_TOE = auto()
    RIGHT_HIP = auto()
    RIGHT_KNEE = auto()
    RIGHT_FOOT = auto()
    RIGHT_TOE = auto()


@dataclass(frozen=True)
class Body:
    """How a person is built and dressed; `build` scales the widths."""

    height_m: float
    build: float
    skin: Colour
    hair: Colour
    top: Colour
    bottom: Colour
    shoes: Colour
    skirt: bool
    hat: bool


_TORSO, _THIGH, _SHIN, _FOOT = 0.29, 0.245, 0.245, 0.1
_UPPER_ARM, _FOREARM, _NECK_TO_HEAD = 0.165, 0.17, 0.115
_SHOULDER, _HIP = 0.102, 0.052
# How far a joint's middle stays above what it lies on, as a share of the body's height.
_CLEARANCE = np.full(len(Joint), 0.03)
_CLEARANCE[[Joint.PELVIS, Joint.NECK, Joint.HEAD]] = 0.07


def joints(body: Body, pose: Track, places_m: Track, yaw_rad: Track) -> Track:
    """Put a body on the ground: poses (T, angles), places (T, 2) as x and z, yaw (T,) -> (T, joints, 3).

    Whatever is lowest touches the ground. Yaw 0 looks along +z, away from the camera, and pi/2 along +x.
    """
    points = _upright(body, pose)
    points = _toppled(points, pose[:, Angle.TOPPLE], pose[:, Angle.WAY])
    lowest = (points[..., 1] - _CLEARANCE * body.height_m).min(axis=1)
    sine, cosine = np.sin(yaw_rad)[:, None], np.cos(yaw_rad)[:, None]
    right, up, forward = points[..., 0], points[..., 1], points[..., 2]
    return np.stack(
        [
            places_m[:, :1] + right * cosine + forward * sine,
            up - lowest[:, None] + pose[:, Angle.HOP, None],
            places_m[:, 1:] - right * sine + forward * cosine,
        ],
        axis=-1,
    )


def _upright(body: Body, pose: Track) -> Track:
    """Points before the body falls over, (right, up, forward) from the pelvis in metres: (T, joints, 3)."""
    zero = np.zeros(len(pose))
    lean, turn = pose[:, Angle.LEAN], pose[:, Angle.TURN]
    points = np.empty((len(pose), len(Joint), 3))
    points[:, Joint.PELVIS] = 0.0
    neck = _TORSO * np.stack([zero, np.cos(lean), np.sin(lean)], axis=-1)
    look = lean + pose[:, Angle.NOD]
    points[:, Joint.NECK] = neck
    points[:, Joint.HEAD] = neck + _NECK_TO_HEAD * np.stack([zero, np.cos(look), np.sin(look)], axis=-1)
    for side, sign in (("LEFT", -1.0), ("RIGHT", 1.0)):
        shoulder = neck * 0.96 + sign * _SHOULDER * body.build * np.stack(
            [np.cos(turn), zero, -np.sin(turn)], axis=-1
        )
        arm, out = pose[:, Angle[f"{side}_ARM"]], sign * pose[:, Angle[f"{side}_OUT"]]
        elbow = shoulder + _UPPER_ARM * _swung(arm, out)
        points[:, Joint[f"{side}_SHOULDER"]], points[:, Joint[f"{side}_ELBOW"]] = shoulder, elbow
        forearm = arm + pose[:, Angle[f"{side}_ELBOW"]]
        points[:, Joint[f"{side}_HAND"]] = elbow + _FOREARM * _swung(forearm, out * 0.6)
        points[:, Joint[f"{side}_HIP"] : Joint[f"{side}_TOE"] + 1] = _leg(body, pose, side, sign)
    return points * body.height_m


def _leg(body: Body, pose: Track, side: str, sign: float) -> Track:
    thigh, spread = pose[:, Angle[f"{side}_LEG"]], sign * pose[:, Angle.SPREAD]
    shin = thigh - pose[:, Angle[f"{side}_KNEE"]]
    hip = np.broadcast_to([sign * _HIP * body.build, 0.0, 0.0], (len(pose), 3))
    knee = hip + _THIGH * _swung(thigh, spread)
    foot = knee + _SHIN * _swung(shin, spread)
    toe = foot + _FOOT * _swung(shin + 1.35, spread)
    return np.stack([hip, knee, foot, toe], axis=1)


def _swung(forward_rad: Track, out_rad: Track) -> Track:
    """Direction of a limb: (T, 3) as (right, up, forward)."""
    return np.stack(
        [np.sin(out_rad), -np.cos(forward_rad) * np.cos(out_rad), np.sin(forward_rad) * np.cos(out_rad)],
        axis=-1,
    )


def _toppled(points: Track, angle_rad: Track, way_rad: Track) -> Track:
    """Rotate upright points about the pelvis, so that up falls towards the way."""
    sine, cosine = np.sin(angle_rad)[:, None], np.cos(angle_rad)[:, None]
    to_right, to_front = np.sin(way_rad)[:, None], np.cos(way_rad)[:, None]
    along = points[..., 0] * to_right + points[..., 2] * to_front
    moved = along * cosine + points[..., 1] * sine - along
    return np.stack(
        [
            points[..., 0] + moved * to_right,
            points[..., 1] * cosine - along * sine,
            points[..., 2] + moved * to_front,
        ],
        axis=-1,
    )
