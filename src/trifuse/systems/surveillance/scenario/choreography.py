"""What people do together, be it in earnest or not: struggle, sink down, run, talk, stand about."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trifuse.systems.surveillance.scenario.stage import SOFT_DB

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from trifuse.systems.surveillance.rendering.actors import Actor, Spot
    from trifuse.systems.surveillance.scenario.stage import Stage

    # Chooses a motion, and the distance from the middle in metres, for whoever leads or follows.
    Choice = Callable[[np.random.Generator, bool], tuple[str, float]]

_BYSTANDERS, _LOOKING_SHARE = 3, 0.6
_AUDIBLE_SHARE = 0.6
_RUN_M_PER_S = (2.6, 4.2)
_RUNNERS, _LATER_RUNNERS_PER_S = (4, 7), 1.5


def tussle(stage: Stage, start_s: float, end_s: float) -> None:
    """Two people hold, push and pull each other, in earnest or in play: nobody can see which."""
    spot = stage.spot()
    pair = [arrive(stage, spot, start_s) for _ in range(2)]
    exchange(stage, pair, spot, end_s, _tug)
    for actor in pair:
        stage.leave(actor)
    stand_about(stage, spot, start_s, end_s)


def sink(stage: Stage, start_s: float, end_s: float) -> None:
    """Somebody sinks to the ground, faint or to rest: nobody can see which."""
    spot = stage.spot()
    actor = stage.enter(spot, start_s)
    actor.does("slump", end_s - start_s, vigour=float(stage.rng.uniform(0.2, 1.0)))
    get_up(stage, actor)
    stand_about(stage, spot, start_s, end_s)


def rush(stage: Stage, start_s: float, end_s: float) -> None:
    """Many people run to one side, away from something or to a train: nobody can see which."""
    side = -1.0 if stage.rng.random() < 0.5 else 1.0
    later = max(round(_LATER_RUNNERS_PER_S * (end_s - start_s - 2.0)), 0)
    for _ in range(int(stage.rng.integers(_RUNNERS[0], _RUNNERS[1] + 1)) + later):
        run_through(stage, float(stage.rng.uniform(start_s - 1.0, end_s - 2.0)), "run", side)


def chat(stage: Stage, start_s: float, end_s: float) -> None:
    """Two or three people stand and talk."""
    spot, rng = stage.spot(), stage.rng
    for _ in range(int(rng.integers(2, 4))):
        place = stage.near(spot, float(rng.uniform(0.45, 0.8)))
        actor = stage.enter(place, start_s - float(rng.uniform(0.0, 2.0)))
        while actor.time_s < end_s:
            motion = "talk" if rng.random() < 0.7 else "stand"
            actor.does(motion, float(rng.uniform(1.5, 4.0)), facing=spot, pace=float(rng.uniform(0.7, 1.4)))
        stage.leave(actor)
    if rng.random() < _AUDIBLE_SHARE:
        stage.hear("talk", start_s, end_s - start_s, SOFT_DB)


def loiter(stage: Stage, start_s: float, end_s: float) -> None:
    """Let happen what happens where nothing happens: people pass, wait, talk, or nobody is there."""
    kind = stage.rng.integers(4)
    if kind == 0:
        chat(stage, start_s, end_s)
    elif kind == 1:
        stand_about(stage, stage.spot(), start_s, end_s)
    else:
        for _ in range(int(stage.rng.integers(4))):
            pass_by(stage, float(stage.rng.uniform(start_s, end_s)))


def pass_by(stage: Stage, at_s: float) -> None:
    """Somebody walks through the picture and is well in view at a time."""
    actor = stage.enter(stage.spot(0.9), at_s)
    stage.leave(actor)


def run_through(stage: Stage, at_s: float, motion: str, side: float) -> None:
    """Somebody runs in at a time and out on the side -1 (left) or 1."""
    x, z = stage.wings(stage.spot())
    actor = stage.enter((-side * abs(x), z), at_s, origin=(-side * (abs(x) + 0.5), z))
    run_off(stage, actor, motion, side)


def run_off(stage: Stage, actor: Actor, motion: str, side: float) -> None:
    """Let somebody run out of view on the side -1 (left) or 1."""
    x, z = stage.wings(actor.spot)
    speed, vigour = float(stage.rng.uniform(*_RUN_M_PER_S)), float(stage.rng.uniform(0.8, 1.0))
    actor.goes((side * abs(x), z), speed, motion, vigour)


def arrive(stage: Stage, spot: Spot, at_s: float) -> Actor:
    """Bring somebody within reach of a spot."""
    return stage.enter(stage.near(spot, 0.4), at_s)


def exchange(stage: Stage, actors: list[Actor], spot: Spot, end_s: float, choose: Choice) -> None:
    """Let people move round a spot, close together and face to face, one short action after the other."""
    rng = stage.rng
    angle, centre = float(rng.uniform(-0.6, 0.6)), spot
    while actors[0].time_s < end_s:
        duration_s = float(rng.uniform(0.35, 0.8))
        # They circle, but are seen side by side more often than one behind the other.
        angle = 0.8 * angle + float(rng.normal(0.0, 0.4))
        centre = (centre[0] + float(rng.normal(0.0, 0.12)), centre[1] + float(rng.normal(0.0, 0.08)))
        leader = int(rng.integers(len(actors)))
        for number, actor in enumerate(actors):
            motion, reach = choose(rng, number == leader)
            turn = angle + 2 * math.pi * number / len(actors)
            to = (centre[0] + reach * math.cos(turn), centre[1] + 0.7 * reach * math.sin(turn))
            pace, vigour = float(rng.uniform(1.2, 2.2)), float(rng.uniform(0.7, 1.0))
            actor.does(motion, duration_s, facing=centre, to=to, pace=pace, vigour=vigour)


def get_up(stage: Stage, actor: Actor) -> None:
    """Let somebody rise from the ground and walk away."""
    actor.does("kneel", 1.2)
    actor.does("stand", 0.8)
    stage.leave(actor)


def stand_about(stage: Stage, spot: Spot, start_s: float, end_s: float) -> None:
    """Have up to three people around who may or may not look."""
    for _ in range(int(stage.rng.integers(_BYSTANDERS + 1))):
        place = stage.near(spot, float(stage.rng.uniform(1.4, 3.0)))
        actor = stage.enter(place, start_s - float(stage.rng.uniform(0.0, 3.0)))
        motion = ("stand", "phone", "talk")[stage.rng.integers(3)]
        looked_at = spot if stage.rng.random() < _LOOKING_SHARE else None
        actor.does(motion, end_s - actor.time_s, facing=looked_at)
        stage.leave(actor)


def _tug(rng: np.random.Generator, leads: bool) -> tuple[str, float]:
    motions = ("grapple", "grapple", "grapple", "hug" if leads else "reel")
    return motions[rng.integers(len(motions))], float(rng.uniform(0.22, 0.36))
