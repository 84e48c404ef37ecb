"""Short clips: a story in two seconds or a little more, with the tracks that the file has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from trifuse.synthesis.movie import Movie, write_movie, write_subtitles
from trifuse.synthesis.soundtrack import record
from trifuse.systems.surveillance.scenario.atmosphere import add_sound, add_talk
from trifuse.systems.surveillance.scenario.choreography import pass_by
from trifuse.systems.surveillance.scenario.pastimes import nothing
from trifuse.systems.surveillance.scenario.stage import Stage, find_setting
from trifuse.systems.surveillance.scenario.stories import INCIDENTS, PASTIMES

if TYPE_CHECKING:
    from pathlib import Path

    from trifuse.systems.surveillance.footage.sources import ClipSource
    from trifuse.systems.surveillance.scenario.stage import Setting
    from trifuse.systems.surveillance.scenario.stories import Story

_SIZE = (320, 180)
_FPS, _FPS_SHARES = (10, 5), (0.75, 0.25)
_LENGTHS_S = (2.0, 2.4)

# These shares are the same for incidents and pastimes, so that a missing track tells nothing.
_NO_SOUND_SHARE, _NO_LINES_SHARE, _SIDECAR_SHARE = 0.12, 0.3, 0.15
_AMBIENT_SHARE, _NEUTRAL_SHARE = 0.6, 0.35
_PASSERS_BY = 0.7

_SOURCE_STREAM, _TRACKS_STREAM, _TAKE_STREAM = 10, 11, 12


@dataclass(frozen=True)
class Tracks:
    """What a clip has besides the picture; `subtitles` is where they are: track, srt, vtt or nowhere."""

    sound: bool
    subtitles: str


@dataclass(frozen=True)
class Clip:
    """One clip of a source: a file, and a line of the manifest."""

    source: ClipSource
    window: int

    @property
    def id(self) -> str:
        """The clip's name in manifests."""
        return f"{self.source.id}-{self.window + 1}"

    @property
    def path(self) -> str:
        """The file, relative to the manifest."""
        return f"clips/{self.id}.mp4"

    @property
    def story(self) -> Story:
        """What is played."""
        return self.source.stories[self.window]

    def sidecar(self, seed: int) -> str | None:
        """The subtitles' file, relative to the manifest, if they are in one."""
        kind = self.tracks(seed).subtitles
        return f"clips/{self.id}.{kind}" if kind in ("srt", "vtt") else None

    def tracks(self, seed: int) -> Tracks:
        """Draw which tracks the clip has."""
        rng = np.random.default_rng([seed, _TRACKS_STREAM, self.source.index, self.window])
        pack = INCIDENTS if self.story.events else PASTIMES
        cards = sum(story.cards for story in pack)
        deaf = sum(story.cards for story in pack if not story.needs_sound) / cards
        mute = sum(story.cards for story in pack if not story.needs_lines) / cards
        sound = self.story.needs_sound or rng.random() >= _NO_SOUND_SHARE / deaf
        lines = self.story.needs_lines or rng.random() >= _NO_LINES_SHARE / mute
        beside = rng.random() < _SIDECAR_SHARE
        where = ("srt", "vtt")[rng.integers(2)] if beside else "track"
        return Tracks(sound, where if lines else "nowhere")

    def row(self, seed: int) -> dict[str, object]:
        """Describe the clip in a line of the manifest."""
        events, sidecar = list(self.story.events), self.sidecar(seed)
        return {
            "id": self.id,
            "path": self.path,
            "split": self.source.split,
            "source": self.source.id,
            "events": events,
            "abnormal": bool(events),
            "story": self.story.name,
        } | ({"subtitles": sidecar} if sidecar else {})


def film_clip(clip: Clip, output: Path, seed: int, stamp: str) -> None:
    """Play a clip's story and write its file, after that of its subtitles."""
    setting, fps = _setting(seed, clip.source.index)
    rng = np.random.default_rng([seed, _TAKE_STREAM, clip.source.index, clip.window])
    stage = Stage(setting, clip.source.split, rng)
    duration_s = round(float(rng.uniform(*_LENGTHS_S)) * fps) / fps
    _play(stage, clip.story, duration_s)
    lines, tracks = stage.subtitles(duration_s), clip.tracks(seed)
    sidecar = clip.sidecar(seed)
    if sidecar:
        write_subtitles(output / sidecar, lines)
    movie = Movie(
        frames=stage.scene.frames(duration_s, fps),
        fps=fps,
        size=_SIZE,
        crf=setting.film.crf,
        pcm=record(stage.sounds, setting.microphone, duration_s) if tracks.sound else None,
        lines=lines if tracks.subtitles == "track" else None,
    )
    write_movie(output / clip.path, movie, stamp)


@lru_cache(maxsize=1)
def _setting(seed: int, source: int) -> tuple[Setting, int]:
    rng = np.random.default_rng([seed, _SOURCE_STREAM, source])
    return find_setting(_SIZE, rng), int(rng.choice(_FPS, p=_FPS_SHARES))


def _play(stage: Stage, story: Story, duration_s: float) -> None:
    """Play a story over the clip's whole length, among people, sounds and talk that have no part in it."""
    rng = stage.rng
    story.play(stage, float(rng.uniform(*story.begins_s)), duration_s + 1.0)
    if story.play is not nothing:
        for _ in range(int(rng.poisson(_PASSERS_BY))):
            pass_by(stage, float(rng.uniform(0.0, duration_s)))
    if rng.random() < (_NEUTRAL_SHARE if story.needs_sound else _AMBIENT_SHARE):
        add_sound(stage, float(rng.uniform(-0.5, 0.8)), 2.5, neutral=story.needs_sound)
    if not stage.lines:
        add_talk(stage, float(rng.uniform(0.0, 0.5)), duration_s - float(rng.uniform(0.0, 0.5)))
