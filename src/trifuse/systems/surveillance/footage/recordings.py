"""Long recordings to evaluate events on: incidents with times and boxes among a lot that is harmless."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifuse.errors import ConfigurationError
from trifuse.synthesis.movie import Movie, write_movie
from trifuse.synthesis.soundtrack import record
from trifuse.systems.surveillance.contract import EVENTS
from trifuse.systems.surveillance.scenario import luggage
from trifuse.systems.surveillance.scenario.atmosphere import fill
from trifuse.systems.surveillance.scenario.stage import Stage, find_setting
from trifuse.systems.surveillance.scenario.stories import INCIDENTS, PASTIMES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trifuse.systems.surveillance.scenario.stories import Story

    Interval = tuple[float, float]

_SIZE, _FPS = (640, 360), 10
_TYPICAL_MINUTES, _LENGTH_SPREAD = 6.0, (4.0, 8.0)
# Nothing happens in the first seconds, and incidents are at least so far apart where there is room.
_LEAD_S, _WIDEST_GAP_S = 6.0, 25.0
_BRINGING_S, _STAY_S, _AWAY_S, _FETCHING_S = 4.0, (3.0, 8.0), (45.0, 80.0), 10.0
_NEVER_FETCHED_SHARE = 0.5
_PASTIME_EVERY_S, _PASTIME_MARGIN_S = 22.0, 4.0
_WATCHED_BAG_S, _LUGGAGE_PASTIME_SHARE = 45.0, 0.6
_STREAM, _PLAN_STREAM = 30, 31


@dataclass(frozen=True)
class Plan:
    """How long a recording is, in seconds, and the events of its incidents, in order."""

    index: int
    duration_s: float
    incidents: tuple[str, ...]

    @property
    def id(self) -> str:
        """The recording's name."""
        return f"r{self.index + 1:02d}"

    @property
    def path(self) -> str:
        """The file, relative to the list of recordings."""
        return f"recordings/{self.id}.mp4"


@dataclass(frozen=True)
class _Slot:
    """A part of a recording that an incident or a pastime has for itself."""

    start_s: float
    end_s: float
    event: str


def plan(minutes: float, incidents: int, seed: int) -> list[Plan]:
    """Divide minutes among recordings and incidents, event after event, among those.

    Raises ConfigurationError where they do not fit.
    """
    if minutes <= 0 or incidents < 0 or seed < 0:
        raise ConfigurationError(
            "such recordings cannot be made",
            got=f"{minutes:g} minutes, {incidents} incidents, seed {seed}",
            expected="minutes > 0, incidents >= 0 and seed >= 0",
        )
    rng = np.random.default_rng([seed, _PLAN_STREAM])
    count = max(1, round(minutes / _TYPICAL_MINUTES))
    shares = rng.uniform(*_LENGTH_SPREAD, count)
    seconds = np.round(60 * minutes * shares / shares.sum())
    events = [EVENTS[number % len(EVENTS)] for number in range(incidents)]
    plans = [Plan(index, float(length), tuple(events[index::count])) for index, length in enumerate(seconds)]
    for one in plans:
        needed_s = _LEAD_S + sum(_shortest_s(event) for event in one.incidents)
        if needed_s > one.duration_s:
            raise ConfigurationError(
                "the incidents do not fit into the recordings",
                got=f"{len(one.incidents)} incidents in {one.duration_s:.0f} s",
                expected=f"at least {needed_s:.0f} s",
                hint="Ask for more minutes or for fewer incidents",
            )
    return plans


def row(plan: Plan, seed: int) -> dict[str, object]:
    """Describe a recording in a line of the list."""
    _, events = stage_recording(plan, seed)
    return {"id": plan.id, "path": plan.path, "duration_s": plan.duration_s, "events": events}


def film(plan: Plan, output: Path, seed: int, stamp: str) -> None:
    """Stage a recording and write its file."""
    stage, _ = stage_recording(plan, seed)
    movie = Movie(
        frames=stage.scene.frames(plan.duration_s, _FPS),
        fps=_FPS,
        size=_SIZE,
        crf=stage.setting.film.crf,
        pcm=record(stage.sounds, stage.setting.microphone, plan.duration_s),
        lines=stage.subtitles(plan.duration_s),
    )
    write_movie(output / plan.path, movie, stamp)


def stage_recording(plan: Plan, seed: int) -> tuple[Stage, list[dict[str, object]]]:
    """Stage a recording: its scene, and its incidents as they are annotated, in order of time."""
    rng = np.random.default_rng([seed, _STREAM, plan.index])
    # What is said here, no clip for training says.
    stage = Stage(find_setting(_SIZE, rng, steady=True), "validation", rng)
    slots = _schedule(plan, rng)
    events = [_play_incident(stage, slot, plan.duration_s, last=slot is slots[-1]) for slot in slots]
    pauses = _pauses(slots, plan.duration_s)
    busy = [(slot.start_s, slot.end_s) for slot in slots if slot.event != "abandoned_object"]
    busy += [interval for pause in pauses for interval in _play_pastimes(stage, *pause)]
    panics = [(slot.start_s, slot.end_s) for slot in slots if slot.event == "crowd_panic"]
    fill(stage, plan.duration_s, busy, panics)
    return stage, events


def _shortest_s(event: str) -> float:
    if event == "abandoned_object":
        return _BRINGING_S + _STAY_S[1] + _AWAY_S[0] + _FETCHING_S
    return max(story.lasts_s[1] for story in _stories(event))


def _stories(event: str) -> list[Story]:
    return [story for story in INCIDENTS if story.events == (event,)]


def _schedule(plan: Plan, rng: np.random.Generator) -> list[_Slot]:
    """Spread the incidents, in random order, over the recording."""
    order = [plan.incidents[index] for index in rng.permutation(len(plan.incidents))]
    spare_s = plan.duration_s - _LEAD_S - sum(_shortest_s(event) for event in order)
    gap_s = min(_WIDEST_GAP_S, spare_s / (len(order) + 1))
    rest_s = spare_s - gap_s * len(order)
    waits_s = gap_s + rest_s * np.diff(np.sort(rng.uniform(0.0, 1.0, len(order))), prepend=0.0)
    slots, now_s = [], _LEAD_S
    for event, wait_s in zip(order, waits_s.tolist(), strict=True):
        slots.append(_Slot(now_s + wait_s, now_s + wait_s + _shortest_s(event), event))
        now_s = slots[-1].end_s
    return slots


def _play_incident(stage: Stage, slot: _Slot, duration_s: float, *, last: bool) -> dict[str, object]:
    """Play an incident in its slot and annotate it."""
    rng = stage.rng
    if slot.event == "abandoned_object":
        never = last and rng.random() < _NEVER_FETCHED_SHARE
        stay_s = float(rng.uniform(*_STAY_S))
        left_s = slot.start_s + _BRINGING_S + stay_s
        away_s = duration_s if never else slot.end_s - _FETCHING_S - left_s
        bag = luggage.leave_bag(stage, slot.start_s + _BRINGING_S - 2.0, stay_s, away_s, duration_s)
        return _annotation(slot.event, bag.start_s, bag.end_s) | {"box": bag.box}
    stories = _stories(slot.event)
    cards = np.array([story.cards for story in stories])
    story = stories[rng.choice(len(stories), p=cards / cards.sum())]
    end_s = slot.start_s + float(rng.uniform(*story.lasts_s))
    story.play(stage, slot.start_s, end_s)
    return _annotation(slot.event, slot.start_s, end_s)


def _annotation(event: str, start_s: float, end_s: float) -> dict[str, object]:
    return {"event": event, "start_s": round(start_s, 2), "end_s": round(end_s, 2)}


def _pauses(slots: list[_Slot], duration_s: float) -> list[Interval]:
    """List the times between incidents."""
    starts = [0.0] + [slot.end_s for slot in slots]
    ends = [slot.start_s for slot in slots] + [duration_s]
    return list(zip(starts, ends, strict=True))


def _play_pastimes(stage: Stage, start_s: float, end_s: float) -> Iterator[Interval]:
    """Fill the time between incidents with what only looks or sounds like one; yields when."""
    rng = stage.rng
    cards = np.array([story.cards for story in PASTIMES])
    if end_s - start_s > _WATCHED_BAG_S + 2 * _PASTIME_MARGIN_S and rng.random() < _LUGGAGE_PASTIME_SHARE:
        if rng.random() < 0.6:
            luggage.watch_bag(stage, start_s + _PASTIME_MARGIN_S, float(rng.uniform(20.0, 30.0)))
        else:
            luggage.move_trolley(stage, start_s + _PASTIME_MARGIN_S, float(rng.uniform(6.0, 15.0)))
            luggage.switch_lights(stage, start_s + _PASTIME_MARGIN_S + 5.0)
    now_s = start_s + _PASTIME_MARGIN_S
    while now_s + _PASTIME_EVERY_S < end_s:
        story = PASTIMES[rng.choice(len(PASTIMES), p=cards / cards.sum())]
        length_s = float(rng.uniform(*story.lasts_s))
        story.play(stage, now_s, now_s + length_s)
        yield now_s, now_s + length_s
        now_s += length_s + float(rng.uniform(0.3, 1.0)) * _PASTIME_EVERY_S
