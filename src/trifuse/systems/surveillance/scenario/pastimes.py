"""Pastimes: what is harmless, with everything that looks, sounds or reads like an incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.systems.surveillance.scenario.choreography import (
    chat,
    exchange,
    loiter,
    pass_by,
    run_off,
    rush,
    sink,
    stand_about,
    tussle,
)
from trifuse.systems.surveillance.scenario.incidents import bang
from trifuse.systems.surveillance.scenario.stage import LOUD_DB, SOFT_DB

if TYPE_CHECKING:
    import numpy as np

    from trifuse.systems.surveillance.scenario.stage import Stage

_MUSIC_SHARE = 0.7
_CALLS_SHARE, _DROPPED_SHARE = 0.5, 0.3
# Signs and titles of a show stay longer than the show.
_SHOWN_AROUND_S = 2.0


def stroll(stage: Stage, start_s: float, end_s: float) -> None:
    """People walk through the picture."""
    for _ in range(int(stage.rng.integers(1, 5))):
        pass_by(stage, float(stage.rng.uniform(start_s, end_s)))


def talk(stage: Stage, start_s: float, end_s: float) -> None:
    """People stand and talk."""
    chat(stage, start_s, end_s)


def wait(stage: Stage, start_s: float, end_s: float) -> None:
    """Somebody waits, and others may too."""
    spot = stage.spot()
    actor = stage.enter(spot, start_s)
    actor.does("phone" if stage.rng.random() < 0.5 else "stand", end_s - start_s)
    stage.leave(actor)
    stand_about(stage, spot, start_s, end_s)


def nothing(_stage: Stage, _start_s: float, _end_s: float) -> None:
    """Nobody is there."""


def play(stage: Stage, start_s: float, end_s: float) -> None:
    """Struggle for fun: it looks like a scuffle, and only laughter or music tells."""
    tussle(stage, start_s, end_s)
    stage.hear(
        "laugh" if stage.rng.random() < 0.6 else "music", start_s - 0.5, end_s - start_s + 1.0, LOUD_DB
    )


def dance(stage: Stage, start_s: float, end_s: float) -> None:
    """Two or three people dance."""
    spot, rng = stage.spot(), stage.rng
    pace = float(rng.uniform(0.9, 1.5))
    dancers = [stage.enter(stage.near(spot, 0.6), start_s) for _ in range(int(rng.integers(2, 4)))]
    for dancer in dancers:
        dancer.does("dance", end_s - start_s, facing=spot, pace=pace, vigour=float(rng.uniform(0.6, 1.0)))
        stage.leave(dancer)
    if rng.random() < _MUSIC_SHARE:
        stage.hear("music", start_s, end_s - start_s, LOUD_DB)


def embrace(stage: Stage, start_s: float, end_s: float) -> None:
    """Two people meet and hug."""
    spot = stage.spot()
    pair = [stage.enter(stage.near(spot, 0.25), start_s) for _ in range(2)]
    exchange(stage, pair, spot, end_s, _hold)
    for actor in pair:
        stage.leave(actor)
    stand_about(stage, spot, start_s, end_s)


def sit(stage: Stage, start_s: float, end_s: float) -> None:
    """Somebody sits down, and may drop a bag."""
    spot = stage.spot()
    actor = stage.enter(spot, start_s)
    actor.does("sit", end_s - start_s)
    stage.leave(actor)
    stand_about(stage, spot, start_s, end_s)
    if stage.rng.random() < _DROPPED_SHARE:
        stage.hear("thud", start_s + 0.8, 0.5, LOUD_DB)


def rest(stage: Stage, start_s: float, end_s: float) -> None:
    """Sink to the ground to rest: it looks like a faint, and only the missing groans tell."""
    sink(stage, start_s, end_s)
    if stage.rng.random() < _DROPPED_SHARE:
        stage.hear("thud", start_s + 0.55, 0.5, LOUD_DB)


def tie_shoe(stage: Stage, start_s: float, end_s: float) -> None:
    """Somebody kneels or bends down."""
    spot = stage.spot()
    actor = stage.enter(spot, start_s)
    if stage.rng.random() < 0.6:
        actor.does("kneel", end_s - start_s)
    else:
        actor.does("bend", 2.0)
    stage.leave(actor)
    stand_about(stage, spot, start_s, end_s)


def hurry(stage: Stage, start_s: float, end_s: float) -> None:
    """Many people run to a train: it looks like a flight, and only the missing screams tell."""
    rush(stage, start_s, end_s)
    stage.hear("footsteps", start_s, end_s - start_s, SOFT_DB)
    if stage.rng.random() < _CALLS_SHARE:
        stage.hear("announcement" if stage.rng.random() < 0.5 else "train", start_s, end_s - start_s, LOUD_DB)


def children(stage: Stage, start_s: float, end_s: float) -> None:
    """Somebody runs about; children shriek out of view."""
    for _ in range(int(stage.rng.integers(1, 3))):
        actor = stage.enter(stage.spot(), start_s)
        run_off(stage, actor, "run", -1.0 if stage.rng.random() < 0.5 else 1.0)
    stage.hear("scream", start_s, end_s - start_s, LOUD_DB)


def market(stage: Stage, start_s: float, end_s: float) -> None:
    """Vendors or supporters shout; people wave and walk past."""
    actor = stage.enter(stage.spot(), start_s)
    actor.does("cheer", end_s - start_s, facing=(0.0, 0.0), pace=float(stage.rng.uniform(0.7, 1.3)))
    stage.leave(actor)
    stroll(stage, start_s, end_s)
    stage.hear("cheer" if stage.rng.random() < 0.5 else "shout", start_s, end_s - start_s, LOUD_DB)
    if stage.rng.random() < _CALLS_SHARE:
        stage.keep_saying("sport", start_s, end_s)


def slam(stage: Stage, start_s: float, end_s: float) -> None:
    """A door falls shut while people walk."""
    loiter(stage, start_s, end_s)
    stage.hear("slam", start_s, 0.8, LOUD_DB)


def thunder(stage: Stage, start_s: float, end_s: float) -> None:
    """Far thunder."""
    loiter(stage, start_s, end_s)
    stage.hear("thunder", start_s, max(end_s - start_s, 2.5), LOUD_DB)


def fireworks(stage: Stage, start_s: float, end_s: float) -> None:
    """Bangs as of shots, but the subtitles announce fireworks."""
    loiter(stage, start_s, end_s)
    bang(stage, start_s, end_s)
    stage.keep_saying("fireworks", start_s - _SHOWN_AROUND_S, end_s + _SHOWN_AROUND_S)


def quote(stage: Stage, start_s: float, end_s: float) -> None:
    """People talk, and quote what would be a threat."""
    chat(stage, start_s, end_s)
    stage.keep_saying("quote", start_s, end_s)


def _hold(rng: np.random.Generator, _leads: bool) -> tuple[str, float]:
    return "hug", float(rng.uniform(0.14, 0.18))
