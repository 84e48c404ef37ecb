"""How tall people are in each part of the picture, and from that how far things on the floor are apart."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from trifuse.systems.surveillance.scene.regions import Box

_SIZES = 400
_LEAST_SIZES, _FOOT_RANGE_SHARE, _TALL_PERCENTILE = 5, 0.15, 75
# How much shorter a metre away from the camera looks than one across: unless it is learnt, and its limits.
_FORESHORTENING, _FORESHORTENINGS = 0.4, (0.2, 0.8)
_LEAST_FITTED, _LEAST_SPREAD_SHARE, _LEAST_CORRELATION = 40, 0.05, 0.7
# A person of whom less than this share is seen may stand lower than what is seen of him.
_SEEN_SHARE, _WHOLE_SHARE, _SLACK_PX = 0.6, 0.8, 2


class Perspective:
    """Learns from the people who walk through the picture; lengths are pixels, `shape` is (height, width)."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._sizes: deque[tuple[int, int]] = deque(maxlen=_SIZES)
        self._heights: dict[int, float | None] = {}
        self._horizon_y: float | None = None

    def add(self, people: Iterable[Box]) -> None:
        """Learn from walking people who are wholly in the picture."""
        new = [(box.y1, box.height) for box in people if not box.touches_border(self._shape)]
        if new:
            self._sizes.extend(new)
            self._heights.clear()
            self._horizon_y = self._find_horizon()

    def typical_height(self, foot_y: int) -> float | None:
        """Say how tall people are whose feet are at about `foot_y`; None if unknown."""
        if foot_y not in self._heights:
            reach = _FOOT_RANGE_SHARE * self._shape[0]
            near = [height for foot, height in self._sizes if abs(foot - foot_y) <= reach]
            known = len(near) >= _LEAST_SIZES
            self._heights[foot_y] = float(np.percentile(near, _TALL_PERCENTILE)) if known else None
        return self._heights[foot_y]

    def is_whole(self, person: Box) -> bool:
        """Whether somebody is about as tall as people are whose feet are there, so that no more is hidden."""
        height = self.typical_height(person.y1)
        return height is not None and person.height >= _WHOLE_SHARE * height

    def distance(self, place: Box, person: Box) -> float:
        """Say how far a person is from a thing on the floor, in pixels across the picture at the thing.

        What counts are the feet: who stands far behind a thing is just above it in the picture.
        """
        across = max(person.x0 - place.x1, place.x0 - person.x1, 0)
        height = self.typical_height(place.y1) or 0.0
        hidden = person.height < _SEEN_SHARE * height and not self.is_whole(person)
        lowest = person.y0 + height if hidden else person.y1
        down = max(person.y1 - place.y1, place.y1 - lowest, 0.0)
        return math.hypot(across, max(down - _SLACK_PX, 0.0) / self._foreshortening(place.y1))

    def _foreshortening(self, foot_y: int) -> float:
        """Compare a metre along the view with one across, on the floor at `foot_y`.

        People shrink to nothing at the horizon. How far below it something lies, in focal lengths, is the
        answer, and most cameras have a focal length of about the picture's width.
        """
        if self._horizon_y is None:
            return _FORESHORTENING
        return float(np.clip((foot_y - self._horizon_y) / self._shape[1], *_FORESHORTENINGS))

    def _find_horizon(self) -> float | None:
        sizes: NDArray[np.float64] = np.array(self._sizes, np.float64)
        if len(sizes) < _LEAST_FITTED or sizes[:, 0].std() < _LEAST_SPREAD_SHARE * self._shape[0]:
            return None
        feet, heights = sizes.T
        (foot_spread, shared), (_, height_spread) = np.cov(feet, heights)
        if shared < _LEAST_CORRELATION * math.sqrt(foot_spread * height_spread):
            return None
        return float(feet.mean() - heights.mean() * foot_spread / shared)
