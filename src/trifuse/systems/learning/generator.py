"""Generates learners before cameras: short windows with labels, and whole lessons with what was true."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from trifuse.artifacts import write_file
from trifuse.catalog import MANIFEST_NAME
from trifuse.errors import ConfigurationError
from trifuse.synthesis.movie import Movie, has_stamp, write_movie, write_subtitles
from trifuse.synthesis.production import json_lines, make_all, refuse_foreign, remove_unfinished
from trifuse.synthesis.soundtrack import record
from trifuse.systems.learning.classroom.acts import draw_act
from trifuse.systems.learning.classroom.drawing import HEIGHT, WIDTH, Studio
from trifuse.systems.learning.classroom.hearing import heard, microphone
from trifuse.systems.learning.classroom.learner import draw_learner
from trifuse.systems.learning.classroom.lesson import play
from trifuse.systems.learning.classroom.poses import Player
from trifuse.systems.learning.labels import LESSON_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.synthesis.movie import Line
    from trifuse.synthesis.soundtrack import Sound
    from trifuse.systems.learning.classroom.acts import Act
    from trifuse.systems.learning.classroom.learner import Learner
    from trifuse.systems.learning.classroom.lesson import Played

DEFAULT_ITEMS = 2000

# Counts changes of what is recorded: files of another revision are made again.
_REVISION = 1
_SUFFIXES = ("mp4", "srt", "vtt")
_FPS, _LESSON_FPS, _CRF = 8, 5, 26
_PER_LEARNER, _VALIDATION_OF_5 = 10, 4
_LENGTHS_S = (5.0, 5.6)
# These shares are the same for all behaviours, so that a missing track tells nothing.
_NO_SOUND_SHARE, _NO_LINES_SHARE, _SIDECAR_SHARE = 0.1, 0.25, 0.15
_LEARNER_STREAM, _WINDOW_STREAM, _LESSON_STREAM = 1, 2, 3
# A camera is switched off for this part of a lesson; another has no microphone.
_OFF_FROM, _OFF_UNTIL = 0.45, 0.6


@dataclass(frozen=True)
class _Window:
    """One line of the manifest: an act of a learner."""

    index: int
    seed: int

    @property
    def learner(self) -> int:
        return self.index // _PER_LEARNER

    @property
    def id(self) -> str:
        return f"l{self.learner:04d}-{self.index % _PER_LEARNER + 1}"

    def drawn(self) -> tuple[Learner, Act, np.random.Generator]:
        person = draw_learner(np.random.default_rng([self.seed, _LEARNER_STREAM, self.learner]))
        rng = np.random.default_rng([self.seed, _WINDOW_STREAM, self.index])
        return person, draw_act(person, rng), rng

    def sidecar(self, rng: np.random.Generator) -> str:
        return ("srt", "vtt")[rng.integers(2)] if rng.random() < _SIDECAR_SHARE else ""

    def row(self) -> dict[str, object]:
        _, act, rng = self.drawn()
        lines, suffix = rng.random() >= _NO_LINES_SHARE, self.sidecar(rng)
        split = "validation" if self.learner % 5 == _VALIDATION_OF_5 else "train"
        known = {"id": self.id, "path": f"windows/{self.id}.mp4", "split": split}
        beside = {"subtitles": f"windows/{self.id}.{suffix}"} if lines and suffix else {}
        return {**known, "learner": f"l{self.learner:04d}", **act.labels, **beside}


def generate(output: Path, *, items: int, seed: int, workers: int | None = None) -> Path:
    """Record `items` windows into a folder and return its manifest, which is written after the files.

    Ten windows show one learner, and every fifth learner validates. Equal seeds give equal files, whatever
    the number of workers (default: one a core). Files of the seed that are already there are kept, so that a
    stopped run goes on. Raises ConfigurationError.
    """
    if items < 1 or seed < 0:
        raise ConfigurationError(
            "such windows cannot be generated",
            got=f"{items} items, seed {seed}",
            expected="items >= 1 and seed >= 0",
        )
    manifest = output / MANIFEST_NAME
    windows = [_Window(index, seed) for index in range(items)]
    refuse_foreign(manifest, "path", windows[0].row()["path"])
    manifest.unlink(missing_ok=True)
    remove_unfinished(output, _SUFFIXES)
    make_all(partial(_film_window, output), windows, "Filming learners", workers, chunk=_PER_LEARNER)
    write_file(manifest, json_lines(window.row() for window in windows))
    return manifest


def write_lesson(output: Path, *, minutes: float, learners: int, seed: int) -> Path:
    """Record a lesson, a file a learner, and return its list, `lesson.jsonl`, with who agreed to reports.

    Two of three agreed; `truth` lists when each learner did what. The second camera is off for a while, the
    third has no microphone. Files of the seed that are already there are kept. Raises ConfigurationError.
    """
    if minutes <= 0 or learners < 1 or seed < 0:
        raise ConfigurationError(
            "such a lesson cannot be generated",
            got=f"{minutes} minutes, {learners} learners, seed {seed}",
            expected="minutes > 0, learners >= 1 and seed >= 0",
        )
    listing = output / LESSON_NAME
    refuse_foreign(listing, "path", _lesson_path(0))
    listing.unlink(missing_ok=True)
    remove_unfinished(output, _SUFFIXES)
    make_all(partial(_film_lesson, output, minutes * 60, seed), range(learners), "Filming a lesson")
    write_file(listing, json_lines(_lesson_row(number, minutes * 60, seed) for number in range(learners)))
    return listing


def _film_window(output: Path, window: _Window) -> None:
    person, act, rng = window.drawn()
    lines, suffix = rng.random() >= _NO_LINES_SHARE, window.sidecar(rng)
    path, stamp = output / "windows" / f"{window.id}.mp4", _stamp(window.seed)
    sidecar = path.with_suffix(f".{suffix}") if lines and suffix else None
    if has_stamp(path, stamp) and (sidecar is None or sidecar.is_file()):
        return
    sound = rng.random() >= _NO_SOUND_SHARE
    duration_s = round(float(rng.uniform(*_LENGTHS_S)) * _FPS) / _FPS
    sounds, said = heard(act, 0.0, duration_s)
    if sidecar:
        write_subtitles(sidecar, said)
    studio, player = Studio(person, rng), Player(act, duration_s)
    movie = Movie(
        frames=(studio.picture(player.pose(frame / _FPS)) for frame in range(round(duration_s * _FPS))),
        fps=_FPS,
        size=(WIDTH, HEIGHT),
        crf=_CRF,
        pcm=record(sounds, microphone(person), duration_s) if sound else None,
        lines=said if lines and not sidecar else None,
    )
    write_movie(path, movie, stamp)


def _film_lesson(output: Path, duration_s: float, seed: int, number: int) -> None:
    path, stamp = output / _lesson_path(number), f"{_stamp(seed)}, {duration_s:g} s"
    if has_stamp(path, stamp):
        return
    person, acts, rng = _attended(number, duration_s, seed)
    sounds: list[Sound] = []
    said: list[Line] = []
    for played in acts:
        more, spoken = heard(played.act, played.start_s, played.end_s - played.start_s)
        sounds, said = sounds + more, said + spoken
    movie = Movie(
        frames=_lesson_frames(Studio(person, rng), acts, _off(number, duration_s)),
        fps=_LESSON_FPS,
        size=(WIDTH, HEIGHT),
        crf=_CRF,
        pcm=None if number == 2 else record(sounds, microphone(person), duration_s),
        lines=said,
    )
    write_movie(path, movie, stamp)


def _lesson_frames(
    studio: Studio, acts: list[Played], off: tuple[float, float]
) -> Iterator[NDArray[np.uint8]]:
    for played in acts:
        player = Player(played.act, played.end_s - played.start_s)
        for frame in range(round(played.start_s * _LESSON_FPS), round(played.end_s * _LESSON_FPS)):
            time_s = frame / _LESSON_FPS
            picture = studio.picture(player.pose(time_s - played.start_s))
            yield np.zeros_like(picture) if off[0] <= time_s < off[1] else picture


def _attended(number: int, duration_s: float, seed: int) -> tuple[Learner, list[Played], np.random.Generator]:
    rng = np.random.default_rng([seed, _LESSON_STREAM, number])
    person = draw_learner(rng)
    return person, play(person, duration_s, rng), rng


def _off(number: int, duration_s: float) -> tuple[float, float]:
    """Tell from when to when a learner's camera is off, in seconds."""
    return (_OFF_FROM * duration_s, _OFF_UNTIL * duration_s) if number == 1 else (0.0, 0.0)


def _lesson_row(number: int, duration_s: float, seed: int) -> dict[str, object]:
    _, acts, _ = _attended(number, duration_s, seed)
    off_s = _off(number, duration_s)
    truth = [
        {"start_s": start_s, "end_s": end_s, **played.act.labels}
        for played in acts
        for start_s, end_s in _without(off_s, played.start_s, played.end_s)
    ]
    return {
        "id": f"lesson-{number + 1}",
        "path": _lesson_path(number),
        "lesson": f"lesson {seed}",
        "learner": f"learner {number + 1}",
        "consent": number % 3 < 2,
        "duration_s": duration_s,
        "truth": truth,
    }


def _without(gap: tuple[float, float], start_s: float, end_s: float) -> Iterator[tuple[float, float]]:
    """Yield what is left of a stretch outside a gap."""
    for first_s, last_s in ((start_s, min(end_s, gap[0])), (max(start_s, gap[1]), end_s)):
        if last_s > first_s:
            yield first_s, last_s


def _lesson_path(number: int) -> str:
    return f"lesson/learner-{number + 1}.mp4"


def _stamp(seed: int) -> str:
    return f"trifuse learning recording, revision {_REVISION}, seed {seed}"
