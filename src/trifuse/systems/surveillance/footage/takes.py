"""Long takes: files of about a minute in which luggage is left, fetched or moved, and windows of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifuse.synthesis.movie import Movie, write_movie
from trifuse.synthesis.soundtrack import record
from trifuse.systems.surveillance.scenario import luggage
from trifuse.systems.surveillance.scenario.atmosphere import fill
from trifuse.systems.surveillance.scenario.stage import Stage, find_setting

if TYPE_CHECKING:
    from pathlib import Path

    from trifuse.systems.surveillance.footage.sources import TakeSource
    from trifuse.systems.surveillance.scenario.luggage import LeftBag

WINDOWS_PER_TAKE = 10
# A bag that was left alone for so long is an abandoned object; until shortly before, it is none.
ABANDONED_AFTER_S, HARMLESS_UNTIL_S = 20.0, 12.0

_SIZE, _FPS = (320, 180), 5
_WINDOW_S = 2.0
_LENGTHS_S = (60.0, 90.0)
# The first sources are short, so that few items are generated quickly.
_SHORT_SOURCES, _SHORT_LENGTH_S = 5, 44.0
_STORY_S, _SHOWN_S = 6.0, 1.0
_MOST_ABANDONED = 5
_STREAM = 20


@dataclass(frozen=True)
class Take:
    """A take as it is staged: start and end of its story, and the bag that is left, if any."""

    source: TakeSource
    stage: Stage
    duration_s: float
    story_s: tuple[float, float]
    bag: LeftBag | None

    def events(self, start_s: float, end_s: float) -> list[str] | None:
        """Label a window; None where the label would be arguable."""
        events: list[str] = []
        shown_s = min(end_s, self.story_s[1]) - max(start_s, self.story_s[0])
        if self.source.story.events and shown_s > 0.0:
            if shown_s < _SHOWN_S:
                return None
            events += self.source.story.events
        if self.bag and self.bag.start_s + HARMLESS_UNTIL_S < end_s and start_s < self.bag.end_s:
            if start_s < self.bag.start_s + ABANDONED_AFTER_S or end_s > self.bag.end_s:
                return None
            events.append("abandoned_object")
        return events


def take_path(source: TakeSource) -> str:
    """Name a take's file, relative to the manifest."""
    return f"takes/{source.id}.mp4"


def film_take(source: TakeSource, output: Path, seed: int, stamp: str) -> None:
    """Stage a take and write its file."""
    take = stage_take(source, seed)
    setting = take.stage.setting
    movie = Movie(
        frames=take.stage.scene.frames(take.duration_s, _FPS),
        fps=_FPS,
        size=_SIZE,
        crf=setting.film.crf,
        pcm=record(take.stage.sounds, setting.microphone, take.duration_s),
        lines=take.stage.subtitles(take.duration_s),
    )
    write_movie(output / take_path(source), movie, stamp)


def take_rows(source: TakeSource, seed: int) -> list[dict[str, object]]:
    """Describe a take's windows in lines of the manifest, in order of time."""
    take = stage_take(source, seed)
    starts = np.arange(0.0, take.duration_s - _WINDOW_S, _WINDOW_S)
    labelled = [(start, take.events(start, start + _WINDOW_S)) for start in starts.tolist()]
    windows = [(start, events) for start, events in labelled if events is not None]
    chosen = _choose(windows, np.random.default_rng([seed, _STREAM, source.index, 1]))
    return [
        {
            "id": f"{source.id}-{number}",
            "path": take_path(source),
            "split": source.split,
            "source": source.id,
            "events": events,
            "abnormal": bool(events),
            "story": source.plot,
            "start_s": start,
            "end_s": start + _WINDOW_S,
        }
        for number, (start, events) in enumerate(chosen, 1)
    ]


def stage_take(source: TakeSource, seed: int) -> Take:
    """Stage a take: the luggage, a story at another spot, and what goes on around them."""
    rng = np.random.default_rng([seed, _STREAM, source.index])
    short = source.index < _SHORT_SOURCES
    duration_s = _SHORT_LENGTH_S if short else float(round(rng.uniform(*_LENGTHS_S)))
    stage = Stage(find_setting(_SIZE, rng, steady=True), source.split, rng)
    bag = _stage_luggage(stage, source.plot, duration_s)
    start_s = float(rng.uniform(_STORY_S, duration_s - _STORY_S))
    story_s = (start_s, min(start_s + _STORY_S, duration_s))
    source.story.play(stage, *story_s)
    panics = [story_s] if "crowd_panic" in source.story.events else []
    fill(stage, duration_s, [story_s], panics)
    return Take(source, stage, duration_s, story_s, bag)


def _stage_luggage(stage: Stage, plot: str, duration_s: float) -> LeftBag | None:
    rng = stage.rng
    at_s = float(rng.uniform(3.0, 6.0))
    if plot == "left":
        return luggage.leave_bag(stage, at_s, float(rng.uniform(2.0, 6.0)), duration_s, duration_s)
    if plot == "fetched":
        away_s = float(rng.uniform(0.45, 0.7)) * duration_s
        return luggage.leave_bag(stage, at_s, float(rng.uniform(2.0, 6.0)), away_s, duration_s)
    if plot == "watched":
        luggage.watch_bag(stage, at_s, float(rng.uniform(0.4, 1.0)) * duration_s)
    else:
        luggage.move_trolley(stage, at_s, float(rng.uniform(6.0, 15.0)))
        luggage.switch_lights(stage, float(rng.uniform(0.2, 0.8)) * duration_s)
    return None


def _choose(
    windows: list[tuple[float, list[str]]], rng: np.random.Generator
) -> list[tuple[float, list[str]]]:
    """Pick windows: up to half of them with an abandoned object, all of the story, and others."""
    order = [windows[index] for index in rng.permutation(len(windows))]
    abandoned = [window for window in order if "abandoned_object" in window[1]][:_MOST_ABANDONED]
    others = [window for window in order if "abandoned_object" not in window[1]]
    others.sort(key=lambda window: not window[1])
    return sorted((abandoned + others)[:WINDOWS_PER_TAKE])
