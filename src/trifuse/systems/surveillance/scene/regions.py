"""Connected regions of a picture and the boxes around them, in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trifuse.systems.surveillance.scene.masks import Mask

_LEAST_PIXELS = 12


class Box(NamedTuple):
    """A rectangle of a picture in pixels; x1 and y1 are the first column and row outside."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.y1 - self.y0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index a picture with."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def grown(self, margin: int, shape: tuple[int, ...]) -> Box:
        """Add a margin in pixels on all sides, as far as a picture of `shape` (height, width, …) reaches."""
        height, width = shape[:2]
        return Box(
            min(max(0, self.x0 - margin), width),
            min(max(0, self.y0 - margin), height),
            min(max(0, self.x1 + margin), width),
            min(max(0, self.y1 + margin), height),
        )

    def touches_border(self, shape: tuple[int, ...]) -> bool:
        """Whether a picture of `shape` (height, width, …) may cut it off."""
        return self.x0 <= 0 or self.y0 <= 0 or self.x1 >= shape[1] or self.y1 >= shape[0]

    def shared(self, other: Box) -> int:
        """Pixels that lie in both boxes."""
        across = min(self.x1, other.x1) - max(self.x0, other.x0)
        down = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(across, 0) * max(down, 0)

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        shared = self.shared(other)
        return shared / (self.width * self.height + other.width * other.height - shared)


@dataclass(frozen=True, eq=False)
class Region:
    """Some pixels of a picture: their box, and which of the box's pixels (bool) they are."""

    box: Box
    mask: NDArray[np.bool_]

    @property
    def pixels(self) -> int:
        """Area in pixels."""
        return int(np.count_nonzero(self.mask))

    def within(self, area: Box) -> Mask:
        """Paint the region, 0 or 255, into an area that contains its box."""
        canvas = np.zeros((area.height, area.width), np.uint8)
        box = self.box
        canvas[box.y0 - area.y0 : box.y1 - area.y0, box.x0 - area.x0 : box.x1 - area.x0][self.mask] = 255
        return canvas


def find_regions(mask: Mask) -> list[Region]:
    """List the connected regions of a mask (height, width), tiny ones left out."""
    if not cv2.countNonZero(mask):
        return []
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    found = []
    for label in range(1, count):
        x, y, width, height, pixels = (int(value) for value in statistics[label])
        if pixels >= _LEAST_PIXELS:
            box = Box(x, y, x + width, y + height)
            found.append(Region(box, labels[box.slices] == label))
    return found


def merged(parts: Sequence[Region]) -> Region:
    """Unite regions into one."""
    x0, y0, x1, y1 = zip(*(part.box for part in parts), strict=True)
    box = Box(min(x0), min(y0), max(x1), max(y1))
    canvas = np.zeros((box.height, box.width), np.uint8)
    for part in parts:
        canvas |= part.within(box)
    return Region(box, canvas > 0)


def cropped(box: Box, mask: NDArray[np.bool_]) -> Region:
    """Make the region of the true pixels of a mask that fills a box; there must be one."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left, bottom, right = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    inner = Box(box.x0 + left, box.y0 + top, box.x0 + right, box.y0 + bottom)
    return Region(inner, mask[top:bottom, left:right])
