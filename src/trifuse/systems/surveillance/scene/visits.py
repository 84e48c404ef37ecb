"""Who stays near an object, and who only passes by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trifuse.systems.surveillance.scene.regions import Box

# Whoever is out of sight for so long is gone; whoever stays covers this share of where he stood, at least.
_GONE_S, _SAME_PLACE = 1.0, 0.5
# People who are near but always on the move stay as well, if that takes so many times as long.
_PACING = 5.0


@dataclass
class _Visit:
    place: Box | None
    since_s: float
    last_s: float


class Visits:
    """The visits to one object that are going on; a visit is somebody at one place, or anybody at any."""

    def __init__(self) -> None:
        self._visits: list[_Visit] = []

    def update(self, near: Sequence[Box], time_s: float) -> None:
        """Add the boxes of the people who are near the object in a picture."""
        self._visits = [visit for visit in self._visits if time_s - visit.last_s <= _GONE_S]
        for place in [*near, *([None] if near else [])]:
            going_on = [visit for visit in self._visits if _same_place(visit.place, place)]
            for visit in going_on:
                visit.last_s = time_s
            if not going_on:
                self._visits.append(_Visit(place, time_s, time_s))

    @property
    def longest_s(self) -> float:
        """How long somebody has stayed at one place, or a part of how long people have been near at all."""
        lengths = ((visit.last_s - visit.since_s) / (1 if visit.place else _PACING) for visit in self._visits)
        return max(lengths, default=0.0)


def _same_place(before: Box | None, now: Box | None) -> bool:
    """Whether two boxes share most of the narrower one's width; None stands for anywhere."""
    if before is None or now is None:
        return before is now
    shared = min(before.x1, now.x1) - max(before.x0, now.x0)
    return shared >= _SAME_PLACE * min(before.width, now.width)
