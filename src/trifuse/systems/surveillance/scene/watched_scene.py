"""One view of a camera: its backgrounds, its people and the objects that are watched in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.surveillance.scene.background import DualBackground
from trifuse.systems.surveillance.scene.candidates import may_be_object, may_be_part_of_person
from trifuse.systems.surveillance.scene.close_look import CloseLook
from trifuse.systems.surveillance.scene.masks import without
from trifuse.systems.surveillance.scene.people import PeopleMemory, find_things
from trifuse.systems.surveillance.scene.placement import placed_share, sharpened
from trifuse.systems.surveillance.scene.regions import Box, Region, merged
from trifuse.systems.surveillance.scene.stationary import StationaryEvidence
from trifuse.systems.surveillance.scene.watched_object import WatchedObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from trifuse.systems.surveillance.scene.masks import Mask
    from trifuse.systems.surveillance.scene.people import Thing
    from trifuse.systems.surveillance.scene.settings import SceneSettings

_MOST_OBJECTS = 32
# What has not moved for so long may be a place that was uncovered: if so little of its outline is new.
_UNMOVED_S, _UNCOVERED = 5.0, 0.4


class WatchedScene:
    """What is known about one view; pictures are RGB (height, width, 3), lengths are pixels of these."""

    def __init__(self, picture: NDArray[np.uint8], settings: SceneSettings, numbers: Iterator[int]) -> None:
        self.objects: list[WatchedObject] = []
        self._settings, self._numbers = settings, numbers
        self._shape = picture.shape[0], picture.shape[1]
        self._background = DualBackground(picture, settings)
        self._evidence = StationaryEvidence(self._shape)
        self._memory = PeopleMemory(self._shape)
        self._close_look = CloseLook(settings)

    def update(
        self, picture: NDArray[np.uint8], frame: NDArray[np.uint8], time_s: float, step_s: float
    ) -> None:
        """Look at a picture and the frame that it was made of, `step_s` after the one before."""
        covered = self._painted((watched.area, watched.cover) for watched in self.objects)
        foreground = self._background.update(picture, step_s, covered)
        self._evidence.update(foreground, step_s)
        for watched in self.objects:
            watched.look(picture, foreground, step_s)
        seen = self._painted((watched.area, watched.seen) for watched in self.objects)
        unknown = without(foreground.slow, seen)
        things = find_things(unknown, self._evidence.quiet_s)
        people = self._sort_out(things)
        boxes = [person.box for person in people]
        self._memory.add(time_s, people)
        self._find_objects(things, picture, time_s)
        self._close_look.update(self.objects, frame, unknown, boxes, self._memory.perspective, time_s)
        for watched in self.objects:
            self._run_timer(watched, boxes, time_s)
            if not any(watched.area.shared(box) for box in boxes):
                watched.judge(self._background, step_s)
        self._drop(time_s)

    def wait(self, gap_s: float) -> None:
        """Stop the timers for a time in which nothing was seen."""
        self._memory.forget()
        for watched in self.objects:
            watched.attended_s += gap_s

    def _painted(self, masks: Iterable[tuple[Box, Mask]]) -> Mask:
        """Paint masks, 0 or 255, into their places in a picture (height, width)."""
        canvas = np.zeros(self._shape, np.uint8)
        for area, mask in masks:
            canvas[area.slices] |= mask
        return canvas

    def _sort_out(self, things: Sequence[Thing]) -> list[Thing]:
        """Pick the people out of what stands out; old things and uncovered places become background."""
        least = self._settings.least_person_share * self._shape[0]
        people = []
        for thing in things:
            if self._is_uncovered(thing):
                self._absorb(thing.region)
            elif thing.is_person(least, self._settings):
                people.append(thing)
            elif thing.moved_s >= self._settings.absorb_s:
                self._absorb(thing.region)
        return people

    def _is_uncovered(self, thing: Thing) -> bool:
        """Whether it only shows that what had always been there, a person or a car, has gone."""
        if thing.moved_s < _UNMOVED_S:
            return False
        return placed_share(thing.region, self._background.fast, self._background.slow) < _UNCOVERED

    def _absorb(self, region: Region) -> None:
        canvas = region.within(Box(0, 0, self._shape[1], self._shape[0])) > 0
        self._background.absorb(canvas)
        self._evidence.forget(canvas)

    def _find_objects(self, things: Sequence[Thing], picture: NDArray[np.uint8], time_s: float) -> None:
        """Watch what lies still as a whole: a still part of something larger belongs to a standing person."""
        for thing in things:
            still = self._still_part(thing)
            others = (other.box for other in things if other is not thing)
            if still is None or may_be_part_of_person(thing.box, others, self._memory.perspective):
                continue
            parts = [watched for watched in self.objects if watched.takes(still, time_s)]
            known = [part.region for part in parts]
            if not all(self._may_be_object(merged([region, *known])) for region in (still, thing.region)):
                continue
            if parts:
                parts[0].reshape(merged([still, *known]), picture)
                self.objects = [watched for watched in self.objects if watched not in parts[1:]]
            else:
                self._watch(still, picture, time_s)

    def _still_part(self, thing: Thing) -> Region | None:
        part = self._evidence.still_part(thing.region, self._settings.stationary_s)
        return part and sharpened(part, self._background.fast, self._background.slow)

    def _may_be_object(self, region: Region) -> bool:
        return may_be_object(region, self._shape[0], self._memory.perspective, self._settings)

    def _watch(self, region: Region, picture: NDArray[np.uint8], time_s: float) -> None:
        since_s = time_s - self._evidence.since_s(region)
        watched = WatchedObject(next(self._numbers), region, picture, since_s, time_s)
        near_s = self._memory.last_near_s(region.box, watched.reach(self._settings), since_s)
        if near_s is None:
            self._absorb(region)
        elif len(self.objects) < _MOST_OBJECTS:
            watched.attended_s = near_s
            self.objects.append(watched)

    def _run_timer(self, watched: WatchedObject, people: Sequence[Box], time_s: float) -> None:
        distance = self._memory.perspective.distance
        distances = {person: distance(watched.box, person) for person in (*people, *watched.company(time_s))}
        watched.distance = min(distances.values(), default=math.inf)
        reach = watched.reach(self._settings)
        near = [person for person, pixels in distances.items() if pixels <= reach]
        watched.attend(near, time_s, self._settings)

    def _drop(self, time_s: float) -> None:
        """End what was taken away; what nobody put there was there before and becomes background."""
        doubted = [watched for watched in self.objects if watched.is_doubted(time_s)]
        for watched in doubted:
            self._absorb(Region(watched.area, watched.cover > 0))
        self.objects = [
            watched
            for watched in self.objects
            if watched not in doubted and not watched.is_gone(self._settings)
        ]
