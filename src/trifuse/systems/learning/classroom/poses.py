"""How an act looks from moment to moment: where head, eyes, mouth and hands are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from trifuse.systems.learning.contract import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from trifuse.systems.learning.classroom.acts import Act

Point = tuple[float, float]
Thing = Literal["phone", "pen", "book"]

_MANNERS_LEAN = {"keen": -0.05, "plain": 0.0, "slack": 0.12, "idle": 0.1}
_BLINK_S = 0.18


@dataclass(frozen=True)
class Pose:
    """A moment: head `yaw` and `pitch` (-1 to 1, right and down), `gaze` alike, `eyes` open and `mouth` open
    (0 to 1), `lean` and `nod` as shares of the head, hands as places in heads from the chin (None: below the
    desk), and the things that are seen.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    gaze: Point = (0.0, 0.0)
    eyes: float = 1.0
    mouth: float = 0.0
    lean: float = 0.0
    nod: float = 0.0
    left: Point | None = None
    right: Point | None = None
    things: tuple[Thing, ...] = ()
    neighbour: int = 0
    here: bool = True
    passer_by: float | None = None


class Player:
    """Plays an act: a pose for every moment of its time."""

    def __init__(self, act: Act, duration_s: float) -> None:
        rng = np.random.default_rng(act.seed)
        self._act, self._duration_s = act, duration_s
        self._turns = rng.uniform(0.1, 0.5, 4)
        self._phases = rng.uniform(0, 2 * np.pi, 8)
        self._blinks_s = np.cumsum(rng.uniform(1.5, 4.5, 8 + int(duration_s)))
        self._begins = rng.uniform(0.0, 0.25)
        self._passes = bool(rng.random() < 0.35)

    def pose(self, time_s: float) -> Pose:
        """Tell the pose at a time from the act's beginning."""
        act = self._act
        if act.behaviour == ABSENT:
            share = time_s / self._duration_s
            return Pose(here=False, passer_by=act.side * (2 * share - 1) if self._passes else None)
        rest = Pose(
            yaw=0.12 * self._wave(0, time_s),
            pitch=0.06 * self._wave(1, time_s),
            gaze=(0.15 * self._wave(2, time_s), 0.1 * self._wave(3, time_s)),
            eyes=self._blink(time_s),
            lean=_MANNERS_LEAN[act.manner] + 0.03 * self._wave(4, time_s),
        )
        return _PLAYS[act.behaviour](self, rest, time_s)

    def attentive(self, pose: Pose, time_s: float) -> Pose:
        """Look at the board: nodding, still, or with the head on a hand."""
        if self._act.manner == "keen":
            return replace(pose, nod=0.07 * max(0.0, self._wave(5, time_s, 6.0)), pitch=pose.pitch - 0.1)
        if self._act.manner == "slack":
            return replace(
                pose, yaw=pose.yaw + 0.15 * self._act.side, eyes=0.5 * pose.eyes, left=(-0.55, 0.15)
            )
        return pose

    def reading_writing(self, pose: Pose, time_s: float) -> Pose:
        """Bend over a book, with a pen that moves unless the manner is slack."""
        slack = self._act.manner == "slack"
        pace = {"keen": 9.0, "plain": 5.0, "slack": 0.0}[self._act.manner]
        hand = (0.5 + 0.25 * self._wave(5, time_s, pace / 4), 1.75 + 0.08 * self._wave(6, time_s, pace))
        down = replace(
            pose, pitch=0.75 + 0.08 * self._wave(1, time_s), gaze=(0.2 * self._wave(2, time_s, 3.0), 0.9)
        )
        if slack:
            down = replace(
                down, eyes=0.25 * pose.eyes * (self._wave(7, time_s) > 0), nod=0.15 * self._wave(5, time_s)
            )
        if self._act.hidden:
            return down
        things: tuple[Thing, ...] = ("book",) if slack else ("book", "pen")
        return replace(down, right=hand, left=(-0.75, 1.8), things=things)

    def hand_raised(self, pose: Pose, time_s: float) -> Pose:
        """Raise a hand above the head, or as high as the face."""
        height = -1.3 if self._act.manner == "keen" else -0.35
        rises = min(1.0, max(0.0, (time_s / self._duration_s - self._begins) * 8))
        reach = 2.0 + rises * (height - 2.0) + 0.08 * self._wave(5, time_s, 4.0)
        return replace(
            pose, right=(1.35, reach), mouth=0.3 * max(0.0, self._wave(6, time_s, 8.0)) * (rises == 1)
        )

    def discussing(self, pose: Pose, time_s: float) -> Pose:
        """Turn to a neighbour, and talk with the hands."""
        talks = self._wave(7, time_s, 0.8) > -0.3
        return replace(
            pose,
            yaw=0.75 * self._act.side + pose.yaw,
            gaze=(0.6 * self._act.side, 0.0),
            mouth=talks * (0.5 + 0.5 * self._wave(6, time_s, 18.0)),
            right=(1.1, 1.2 + 0.4 * self._wave(5, time_s, 5.0)),
            neighbour=self._act.side,
        )

    def looking_away(self, pose: Pose, time_s: float) -> Pose:
        """Look out of the picture, all the time or for the larger part of it."""
        share = time_s / self._duration_s
        away = self._act.manner == "idle" or self._begins < share < self._begins + 0.65
        if not away:
            return pose
        side = self._act.side
        return replace(pose, yaw=0.85 * side + pose.yaw, pitch=-0.15 + pose.pitch, gaze=(0.9 * side, -0.2))

    def using_phone(self, pose: Pose, time_s: float) -> Pose:
        """Look at a telephone, in the hands or below the desk; a glance lets the head come up in between."""
        looks = self._act.manner == "idle" or self._wave(7, time_s, 1.2) > -0.5
        down = replace(
            pose, pitch=0.7 * looks + pose.pitch, gaze=(0.1 * self._wave(2, time_s, 2.0), 0.9 * looks)
        )
        if self._act.hidden:
            return down
        thumb = 0.05 * self._wave(5, time_s, 7.0)
        return replace(down, right=(0.35, 1.25 + thumb), left=(-0.05, 1.35), things=("phone",))

    def _wave(self, number: int, time_s: float, pace: float = 1.0) -> float:
        """Swing between -1 and 1, a little unevenly; each number is another movement."""
        turn, phase = self._turns[number % len(self._turns)], self._phases[number]
        angle = 2 * np.pi * turn * pace * time_s + phase
        return float(0.7 * np.sin(angle) + 0.3 * np.sin(2.3 * angle + phase))

    def _blink(self, time_s: float) -> float:
        since_s = time_s - self._blinks_s
        return 0.1 if np.any((since_s >= 0) & (since_s < _BLINK_S)) else 1.0


_PLAYS: dict[str, Callable[[Player, Pose, float], Pose]] = {
    "attentive": Player.attentive,
    "reading_writing": Player.reading_writing,
    "hand_raised": Player.hand_raised,
    "discussing": Player.discussing,
    "looking_away": Player.looking_away,
    "using_phone": Player.using_phone,
}
