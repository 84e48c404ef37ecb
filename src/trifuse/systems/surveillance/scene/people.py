"""Where people are: foreground of a person's size that moved not long ago."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trifuse.systems.surveillance.scene.masks import closed
from trifuse.systems.surveillance.scene.perspective import Perspective
from trifuse.systems.surveillance.scene.regions import find_regions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trifuse.systems.surveillance.scene.masks import Mask
    from trifuse.systems.surveillance.scene.regions import Box, Region
    from trifuse.systems.surveillance.scene.settings import SceneSettings

# People fall apart where they wear the floor's colour: gaps are closed, upright ones more than others.
_GAPS_PX = 7, 3
_MOVED_SHARE, _WALKING_S = 0.02, 1.0
# People are at least so wide for their height, and upright if they are at least so high for their width.
_SLIM, _UPRIGHT = 0.17, 1.3
_REMEMBERED_S, _REMEMBERED = 20.0, 200
# Who brings something is there for a while before it lies still; or was there in so long a time, for sure.
_ARRIVAL_S, _ENOUGH_S = 5.0, 15.0
_ITSELF = 0.5


class Thing(NamedTuple):
    """A region of the foreground, and how many seconds ago a part of it moved."""

    region: Region
    moved_s: float

    @property
    def box(self) -> Box:
        """Where it is."""
        return self.region.box

    def is_person(self, least_height: float, settings: SceneSettings) -> bool:
        """Whether it is as tall as a person and moved lately, or not long ago if it also stands upright."""
        width, height = self.box.width, self.box.height
        patience_s = settings.still_person_s if height >= _UPRIGHT * width else settings.absorb_s
        return height >= least_height and width >= _SLIM * height and self.moved_s < patience_s


def find_things(foreground: Mask, quiet_s: NDArray[np.float32]) -> list[Thing]:
    """List what stands out in a mask (height, width); `quiet_s` is for how long nothing moved, by pixel."""
    found = []
    for region in find_regions(closed(foreground, *_GAPS_PX)):
        quiet = quiet_s[region.box.slices][region.mask]
        rank = int(_MOVED_SHARE * quiet.size)
        found.append(Thing(region, float(np.partition(quiet, rank)[rank])))
    return found


class PeopleMemory:
    """Who was where in the last seconds, in a picture of a shape (height, width)."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.perspective = Perspective(shape)
        self._seen: deque[tuple[float, list[Box]]] = deque(maxlen=_REMEMBERED)

    def add(self, time_s: float, people: Sequence[Thing]) -> None:
        """Remember the people of a picture."""
        self._seen.append((time_s, [person.box for person in people]))
        while self._seen[0][0] < time_s - _REMEMBERED_S:
            self._seen.popleft()
        self.perspective.add(person.box for person in people if person.moved_s < _WALKING_S)

    def forget(self) -> None:
        """Drop who was where, after a time in which people may have come and gone unseen."""
        self._seen.clear()

    def last_near_s(self, place: Box, reach: float, since_s: float) -> float | None:
        """Say when somebody was last within `reach` pixels of what has been lying at a place `since_s`.

        What lay there itself does not count. None if nobody came near, so that nobody can have brought it;
        `since_s` if what is remembered does not reach back far enough to tell.
        """
        for time_s, boxes in reversed(self._seen):
            others = (box for box in boxes if place.overlap(box) < _ITSELF)
            if any(self.perspective.distance(place, box) <= reach for box in others):
                return time_s
        oldest_s, now_s = self._seen[0][0], self._seen[-1][0]
        return since_s if oldest_s > max(since_s - _ARRIVAL_S, now_s - _ENOUGH_S) else None
