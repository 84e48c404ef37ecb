"""Which sources there are: cameras with several short clips each, and cameras with one long take."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifuse.systems.surveillance.scenario.stories import INCIDENTS, PASTIMES, deal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trifuse.systems.surveillance.scenario.stories import Story

CLIPS_PER_SOURCE = 4
CLIP_SOURCES_PER_TAKE = 10
# Of every five sources the second is for validation.
_SPLIT_CYCLE, _VALIDATION_PLACE = 5, 1
# Nine clips of every twenty, those in these places of five sources in a row, are incidents.
_INCIDENT_PLACES = frozenset({(0, 0), (0, 2), (1, 0), (1, 2), (2, 0), (2, 2), (3, 0), (3, 2), (4, 0)})
_PLOTS = ("left", "watched", "left", "fetched", "moved", "left", "fetched", "watched")


@dataclass(frozen=True)
class ClipSource:
    """A camera of which there are clips, one for each story."""

    index: int
    split: str
    stories: tuple[Story, ...]

    @property
    def id(self) -> str:
        """The source's name in manifests."""
        return f"s{self.index:04d}"


@dataclass(frozen=True)
class TakeSource:
    """A camera with one long take: what happens to the luggage there, and a story besides."""

    index: int
    split: str
    plot: str
    story: Story

    @property
    def id(self) -> str:
        """The source's name in manifests."""
        return f"t{self.index:03d}"


def sources() -> Iterator[ClipSource | TakeSource]:
    """List the sources without end: one with a take, then as many with clips as belong to it, and so on."""
    clips, takes = _clip_sources(), _take_sources()
    while True:
        yield next(takes)
        yield from itertools.islice(clips, CLIP_SOURCES_PER_TAKE)


def _clip_sources() -> Iterator[ClipSource]:
    packs = {split: (deal(INCIDENTS), deal(PASTIMES)) for split in ("train", "validation")}
    for index in itertools.count():
        split = _split(index)
        incidents, pastimes = packs[split]
        stories = tuple(
            next(incidents if (index % _SPLIT_CYCLE, place) in _INCIDENT_PLACES else pastimes)
            for place in range(CLIPS_PER_SOURCE)
        )
        yield ClipSource(index, split, stories)


def _take_sources() -> Iterator[TakeSource]:
    packs = {split: (deal(INCIDENTS), deal(PASTIMES)) for split in ("train", "validation")}
    plots = {split: itertools.cycle(_PLOTS) for split in packs}
    for index in itertools.count():
        split = _split(index)
        story = next(packs[split][index % 2])
        yield TakeSource(index, split, next(plots[split]), story)


def _split(index: int) -> str:
    return "validation" if index % _SPLIT_CYCLE == _VALIDATION_PLACE else "train"
