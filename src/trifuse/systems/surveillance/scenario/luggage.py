"""Luggage: bags that are left, fetched or watched, a trolley that is moved, and lights that are switched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.surveillance.rendering.props import prop_box

if TYPE_CHECKING:
    from trifuse.systems.surveillance.rendering.actors import Actor, Spot
    from trifuse.systems.surveillance.rendering.shot import Prop
    from trifuse.systems.surveillance.rendering.skeleton import Colour
    from trifuse.systems.surveillance.scenario.stage import Stage

_BAGS = ("suitcase", "backpack", "box")
_COLOURS: tuple[Colour, ...] = (
    (30, 30, 34),
    (150, 40, 44),
    (40, 60, 120),
    (64, 96, 60),
    (188, 150, 70),
    (120, 80, 50),
)
_CONTRAST = 45.0
# Half of a bend: the hand is on the floor.
_BEND_S, _DOWN_S = 2.0, 1.0
_BESIDE_M = 0.5


@dataclass(frozen=True)
class LeftBag:
    """A bag without its owner: from when until when, and its box as shares of width and height."""

    start_s: float
    end_s: float
    box: list[float]


def leave_bag(stage: Stage, at_s: float, stay_s: float, away_s: float, end_s: float) -> LeftBag:
    """Somebody puts a bag down at a time, stays, walks off and, if it is not over by `end_s`, fetches it."""
    spot = stage.spot()
    owner, bag, floor = _put_down(stage, spot, at_s)
    owner.does("phone" if stage.rng.random() < 0.5 else "stand", stay_s)
    left_s = owner.time_s
    stage.leave(owner)
    back_s = left_s + away_s
    if back_s < end_s:
        fetcher = stage.enter(spot, back_s, body=owner.body)
        _take(stage, fetcher, bag, floor)
    box = prop_box(bag.kind, stage.setting.camera, np.array([floor[0], 0.0, floor[1]]))
    return LeftBag(left_s, min(back_s, end_s), box)


def watch_bag(stage: Stage, at_s: float, stay_s: float) -> None:
    """Somebody puts a bag down at a time, stays beside it and takes it along."""
    owner, bag, floor = _put_down(stage, stage.spot(), at_s)
    until_s = owner.time_s + stay_s
    while owner.time_s < until_s:
        motion = ("stand", "phone", "talk")[stage.rng.integers(3)]
        owner.does(motion, float(stage.rng.uniform(3.0, 8.0)))
    _take(stage, owner, bag, floor)


def move_trolley(stage: Stage, at_s: float, stay_s: float) -> None:
    """Somebody takes a trolley that has always stood there, stays with it elsewhere and pushes it away."""
    spot = stage.spot()
    trolley = stage.prop("trolley", (130, 130, 130))
    worker = stage.enter((spot[0] - _BESIDE_M, spot[1] - 0.1), at_s)
    trolley.stays += [(0.0, spot), (at_s, worker)]
    worker.goes(stage.spot(), 0.9, "push")
    worker.does("push", stay_s, pace=0.0)
    stage.leave(worker, "push")


def switch_lights(stage: Stage, at_s: float) -> None:
    """The light becomes weaker or stronger, as when lamps are switched."""
    value = float(stage.rng.choice((0.62, 0.75, 1.25, 1.4)))
    stage.scene.brightness.append((at_s, value))


def _put_down(stage: Stage, spot: Spot, at_s: float) -> tuple[Actor, Prop, Spot]:
    """Somebody brings a bag and bends down with it; the spot of the bag is kept clear from now on."""
    side = _BESIDE_M if stage.rng.random() < 0.5 else -_BESIDE_M
    floor = (spot[0] + side, spot[1] - 0.05)
    stage.kept_clear.append(floor)
    bag = stage.prop(_BAGS[stage.rng.integers(len(_BAGS))], _standing_out(stage, floor))
    owner = stage.enter(spot, at_s, motion="carry")
    owner.does("bend", _BEND_S, facing=floor)
    bag.stays += [(owner.enters_s, owner), (at_s + _DOWN_S, floor)]
    return owner, bag, floor


def _take(stage: Stage, owner: Actor, bag: Prop, floor: Spot) -> None:
    bag.stays.append((owner.time_s + _DOWN_S, owner))
    owner.does("bend", _BEND_S, facing=floor)
    stage.leave(owner, "carry")
    bag.stays.append((owner.time_s, None))


def _standing_out(stage: Stage, floor: Spot) -> Colour:
    """Choose a colour that differs from the floor's there."""
    camera = stage.setting.camera
    (u, v), _ = camera.project(np.array([floor[0], 0.2, floor[1]]))
    row, column = int(np.clip(v, 0, camera.height - 1)), int(np.clip(u, 0, camera.width - 1))
    ground = stage.setting.place.picture[row, column].astype(float)
    fitting = [colour for colour in _COLOURS if float(np.linalg.norm(ground - colour)) > _CONTRAST]
    return fitting[stage.rng.integers(len(fitting))]
