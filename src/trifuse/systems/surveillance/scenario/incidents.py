"""Incidents: how fights, falls, panics, blasts and threats look, sound and read.

Every story is played from `start_s` to `end_s`; people come before it and go after it. Some incidents look
just like a pastime, and then only the sound tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.systems.surveillance.scenario.choreography import (
    arrive,
    chat,
    exchange,
    get_up,
    loiter,
    run_off,
    run_through,
    rush,
    sink,
    stand_about,
    tussle,
)
from trifuse.systems.surveillance.scenario.stage import LOUD_DB, SOFT_DB

if TYPE_CHECKING:
    import numpy as np

    from trifuse.systems.surveillance.rendering.actors import Actor, Spot
    from trifuse.systems.surveillance.scenario.stage import Stage

# How often an incident that can be seen is also heard, and talked about.
_HEARD_SHARE, _ALARM_SHARE = 0.75, 0.2
_THIRD_FIGHTER_SHARE, _HELPER_SHARE = 0.25, 0.35
_FALL_WAYS_RAD = 2.6
_BANG_S, _SHOT_PAUSE_S = 1.6, (0.0, 0.6)


def brawl(stage: Stage, start_s: float, end_s: float) -> None:
    """Two or three people hit and kick each other."""
    _fight(stage, start_s, end_s)
    _alarm(stage, start_s, end_s)


def scuffle(stage: Stage, start_s: float, end_s: float) -> None:
    """Fight by holding and pushing: it looks like play, and only shouts and blows tell."""
    tussle(stage, start_s, end_s)
    _hear_fight(stage, start_s, end_s)
    _alarm(stage, start_s, end_s)


def collapse(stage: Stage, start_s: float, end_s: float) -> None:
    """Somebody falls and stays down."""
    rng, spot = stage.rng, stage.spot()
    actor = stage.enter(spot, start_s)
    way = float(rng.uniform(-_FALL_WAYS_RAD, _FALL_WAYS_RAD))
    actor.does("fall", end_s - start_s, vigour=float(rng.uniform(0.3, 1.0)), way=way)
    get_up(stage, actor)
    if rng.random() < _HELPER_SHARE and end_s - start_s > 4.0:
        _help(stage, spot, start_s + 2.5, end_s)
    stand_about(stage, spot, start_s, end_s)
    if rng.random() < _HEARD_SHARE:
        _hear_fall(stage, start_s, end_s)
    _alarm(stage, start_s, end_s)


def faint(stage: Stage, start_s: float, end_s: float) -> None:
    """Sink to the ground: it looks like a rest, and only thud and groans tell."""
    sink(stage, start_s, end_s)
    _hear_fall(stage, start_s, end_s)
    _alarm(stage, start_s, end_s)


def stampede(stage: Stage, start_s: float, end_s: float) -> None:
    """Many people run away in all directions, with their arms over their heads."""
    rng = stage.rng
    for _ in range(int(rng.integers(5, 9))):
        _startled(stage, stage.spot(0.85), start_s + float(rng.uniform(0.0, 0.5)))
    for _ in range(max(round(2.0 * (end_s - start_s - 3.0)), 0)):
        side = -1.0 if rng.random() < 0.5 else 1.0
        run_through(stage, float(rng.uniform(start_s + 0.5, end_s - 2.5)), "flee", side)
    if rng.random() < _HEARD_SHARE:
        _hear_panic(stage, start_s, end_s)
    _alarm(stage, start_s, end_s)


def flight(stage: Stage, start_s: float, end_s: float) -> None:
    """Many people run the same way: it looks as if they hurried to a train, and only screams tell."""
    rush(stage, start_s, end_s)
    _hear_panic(stage, start_s, end_s)
    _alarm(stage, start_s, end_s)


def blast(stage: Stage, start_s: float, end_s: float) -> None:
    """Shots or explosions out of view: only heard."""
    loiter(stage, start_s, end_s)
    bang(stage, start_s, end_s)


def bang(stage: Stage, start_s: float, end_s: float) -> None:
    """Let it bang, of shots, explosions or fireworks: nobody can hear which."""
    stage.hear("bang", start_s, _BANG_S, LOUD_DB)
    while (start_s := start_s + _BANG_S + float(stage.rng.uniform(*_SHOT_PAUSE_S))) + _BANG_S < end_s:
        stage.hear("bang", start_s, _BANG_S, LOUD_DB)


def threat(stage: Stage, start_s: float, end_s: float) -> None:
    """Somebody threatens somebody, with words only; they stand as others stand who talk."""
    chat(stage, start_s, end_s)
    stage.keep_saying("threat", start_s, end_s)


def robbery(stage: Stage, start_s: float, end_s: float) -> None:
    """A fight with threats."""
    _fight(stage, start_s, end_s)
    stage.keep_saying("threat", start_s, end_s)


def attack(stage: Stage, start_s: float, end_s: float) -> None:
    """Shots, and everybody runs."""
    stampede(stage, start_s, end_s)
    bang(stage, start_s, end_s)


def _fight(stage: Stage, start_s: float, end_s: float) -> None:
    rng, spot = stage.rng, stage.spot()
    count = 3 if rng.random() < _THIRD_FIGHTER_SHARE else 2
    fighters = [arrive(stage, spot, start_s) for _ in range(count)]
    exchange(stage, fighters, spot, end_s, _hit)
    for fighter in fighters:
        if rng.random() < 0.4:
            run_off(stage, fighter, "run", -1.0 if rng.random() < 0.5 else 1.0)
        else:
            stage.leave(fighter)
    stand_about(stage, spot, start_s, end_s)
    if rng.random() < _HEARD_SHARE:
        _hear_fight(stage, start_s, end_s)


def _hit(rng: np.random.Generator, leads: bool) -> tuple[str, float]:
    motions = ("strike", "strike", "strike", "kick") if leads else ("reel", "reel", "strike", "cower")
    return motions[rng.integers(len(motions))], float(rng.uniform(0.36, 0.6))


def _help(stage: Stage, spot: Spot, at_s: float, end_s: float) -> None:
    helper = stage.enter(stage.near(spot, 0.7), at_s)
    helper.does("kneel", end_s - at_s, facing=spot)
    stage.leave(helper)


def _startled(stage: Stage, spot: Spot, at_s: float) -> Actor:
    """Somebody stands there and then flees, away from the middle of the picture."""
    actor = stage.enter(spot, at_s - float(stage.rng.uniform(1.0, 4.0)))
    actor.does(("stand", "talk", "phone")[stage.rng.integers(3)], at_s - actor.time_s)
    run_off(stage, actor, "flee", 1.0 if spot[0] > 0 else -1.0)
    return actor


def _hear_fight(stage: Stage, start_s: float, end_s: float) -> None:
    stage.hear("shout", start_s, end_s - start_s, LOUD_DB)
    stage.hear("blows", start_s, end_s - start_s, (-14.0, -5.0))


def _hear_fall(stage: Stage, start_s: float, end_s: float) -> None:
    stage.hear("thud", start_s + 0.55, 0.5, LOUD_DB)
    stage.hear("groan", start_s + 0.6, end_s - start_s - 0.6, (-16.0, -6.0))


def _hear_panic(stage: Stage, start_s: float, end_s: float) -> None:
    stage.hear("scream", start_s, end_s - start_s, LOUD_DB)
    stage.hear("footsteps", start_s, end_s - start_s, SOFT_DB)


def _alarm(stage: Stage, start_s: float, end_s: float) -> None:
    if stage.rng.random() < _ALARM_SHARE:
        stage.keep_saying("alarm", start_s + 0.3, end_s)
