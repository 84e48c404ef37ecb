"""What goes on around a story: people who walk past, sounds that mean nothing, and small talk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.systems.surveillance.scenario.choreography import pass_by
from trifuse.systems.surveillance.scenario.stage import LOUD_DB, SOFT_DB

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trifuse.systems.surveillance.scenario.stage import Stage

    Interval = tuple[float, float]

# Sounds that never change what a story is, and those that would tell play from a scuffle.
_NEUTRAL = ("footsteps", "announcement", "horn", "train", "talk")
_AMBIENT = (*_NEUTRAL, "crowd", "music", "laugh", "cheer", "slam", "thunder")
_TOPICS, _TOPIC_SHARES = ("everyday", "announcement", "sport"), (0.7, 0.2, 0.1)
_LOUD_SHARE = 0.45


def add_sound(stage: Stage, start_s: float, duration_s: float, *, neutral: bool) -> None:
    """Add a sound by chance, `neutral` where the story's own sound must stay the one that tells."""
    kinds = _NEUTRAL if neutral else _AMBIENT
    level_db = LOUD_DB if stage.rng.random() < _LOUD_SHARE else SOFT_DB
    stage.hear(kinds[stage.rng.integers(len(kinds))], start_s, duration_s, level_db)


def add_talk(stage: Stage, start_s: float, end_s: float) -> None:
    """Subtitle something harmless."""
    stage.say(str(stage.rng.choice(_TOPICS, p=_TOPIC_SHARES)), start_s, end_s)


def fill(stage: Stage, duration_s: float, stories: Sequence[Interval], panics: Sequence[Interval]) -> None:
    """Fill a long recording: nothing else sounds during stories, and nobody walks calmly through panics."""
    for at_s in _moments(stage, duration_s, (4.0, 12.0)):
        if not _within(at_s, panics, margin_s=5.0):
            pass_by(stage, at_s)
    for at_s in _moments(stage, duration_s, (8.0, 20.0)):
        length_s = float(stage.rng.uniform(1.5, 4.0))
        if not _within(at_s + length_s / 2, stories, margin_s=length_s / 2 + 2.0):
            add_sound(stage, at_s, length_s, neutral=False)
    said = [(line.start_s, line.end_s) for line in stage.lines]
    for at_s in _moments(stage, duration_s, (3.5, 10.0)):
        if not _within(at_s + 1.25, said, margin_s=1.5):
            add_talk(stage, at_s, at_s + 2.5)


def _moments(stage: Stage, duration_s: float, pause_s: tuple[float, float]) -> Iterator[float]:
    at_s = float(stage.rng.uniform(0.0, pause_s[1]))
    while at_s < duration_s:
        yield at_s
        at_s += float(stage.rng.uniform(*pause_s))


def _within(at_s: float, intervals: Sequence[Interval], margin_s: float) -> bool:
    return any(start_s - margin_s < at_s < end_s + margin_s for start_s, end_s in intervals)
