"""People who act: what each of them does, when and where."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.surveillance.rendering.motions import angles
from trifuse.systems.surveillance.rendering.movement import Move
from trifuse.systems.surveillance.rendering.skeleton import Angle, joints

if TYPE_CHECKING:
    from trifuse.systems.surveillance.rendering.skeleton import Body, Track

Spot = tuple[float, float]

# Metres that a walking and a running person of 1 m covers in a cycle of two steps.
_STRIDES_M = {"run": 1.35, "flee": 1.35}
_STRIDE_M = 0.8
_BLEND_S = 0.25


@dataclass(frozen=True)
class Act:
    """A motion from one time and spot (x, z in metres) to another; yaw as in `skeleton.joints`."""

    start_s: float
    end_s: float
    move: Move
    start: Spot
    end: Spot
    yaw_rad: float


@dataclass
class Actor:
    """A person with acts that follow each other without a gap; it is on stage from the first to the last."""

    body: Body
    time_s: float
    spot: Spot
    phase: float
    yaw_rad: float = 0.0
    acts: list[Act] = field(default_factory=list)

    @property
    def enters_s(self) -> float:
        """When the person comes on stage."""
        return self.acts[0].start_s

    def goes(self, to: Spot, speed_m_per_s: float, motion: str = "walk", vigour: float = 1.0) -> None:
        """Go to a spot on a straight line."""
        distance = math.dist(self.spot, to)
        pace = speed_m_per_s / (_STRIDES_M.get(motion, _STRIDE_M) * self.body.height_m)
        self.yaw_rad = math.atan2(to[0] - self.spot[0], to[1] - self.spot[1])
        self._add(Move(motion, pace, self.phase, vigour), distance / speed_m_per_s, to)

    def does(
        self,
        motion: str,
        duration_s: float,
        *,
        facing: Spot | None = None,
        to: Spot | None = None,
        pace: float = 1.0,
        vigour: float = 1.0,
        way: float = 0.0,
    ) -> None:
        """Do something for a while, facing a spot, and move to another meanwhile."""
        if facing is not None:
            self.yaw_rad = math.atan2(facing[0] - self.spot[0], facing[1] - self.spot[1])
        self._add(Move(motion, pace, self.phase, vigour, way), duration_s, to or self.spot)

    def joints_m(self, time_s: Track) -> Track:
        """Where the joints are at times while the person is on stage: (T,) -> (T, joints, 3) in metres."""
        poses = np.empty((len(time_s), len(Angle)))
        spots, yaw = np.empty((len(time_s), 2)), np.empty(len(time_s))
        starts = np.array([act.start_s for act in self.acts])
        turns = np.unwrap([act.yaw_rad for act in self.acts])
        current = np.maximum(np.searchsorted(starts, time_s, side="right") - 1, 0)
        for index in np.unique(current):
            here, act = current == index, self.acts[index]
            since_s = time_s[here] - act.start_s
            share = np.clip(since_s / max(act.end_s - act.start_s, 1e-6), 0.0, 1.0)[:, None]
            spots[here] = np.array(act.start) * (1 - share) + np.array(act.end) * share
            poses[here], yaw[here] = angles(act.move, since_s), turns[index]
            if index:
                self._blend(index, since_s, here, poses, yaw, turns)
        return joints(self.body, poses, spots, yaw)

    def _blend(self, index: int, since_s: Track, here: Track, poses: Track, yaw: Track, turns: Track) -> None:
        before = self.acts[index - 1]
        old = angles(before.move, since_s + before.end_s - before.start_s)
        weight = np.clip(1.0 - since_s / _BLEND_S, 0.0, 1.0)
        poses[here] += (old - poses[here]) * weight[:, None]
        yaw[here] += (turns[index - 1] - yaw[here]) * weight

    def _add(self, move: Move, duration_s: float, to: Spot) -> None:
        end_s = self.time_s + duration_s
        self.acts.append(Act(self.time_s, end_s, move, self.spot, to, self.yaw_rad))
        self.time_s, self.spot = end_s, to
