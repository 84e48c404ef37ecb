"""Where the picture holds something new that lies still."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.surveillance.scene.masks import closed
from trifuse.systems.surveillance.scene.regions import find_regions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trifuse.systems.surveillance.scene.background import Foreground
    from trifuse.systems.surveillance.scene.regions import Region

# How long evidence outlives the foreground that it rests on, and how much of it is kept.
_FORGET_S, _MOST_S = 1.0, 600.0
# Most of a region is at least this share.
_MOST = 0.5


class StationaryEvidence:
    """Seconds that each pixel has been still foreground, and seconds since anything moved there."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.still_s = np.zeros(shape, np.float32)
        self.quiet_s = np.full(shape, _MOST_S, np.float32)

    def update(self, foreground: Foreground, step_s: float) -> None:
        """Add a picture: still foreground counts, moving foreground may hide something, the rest forgets."""
        new, moving = foreground.slow > 0, foreground.fast > 0
        self.still_s[new & ~moving] += step_s
        self.still_s[~new] *= math.exp(-step_s / _FORGET_S)
        self.quiet_s += step_s
        self.quiet_s[moving] = 0
        for seconds in (self.still_s, self.quiet_s):
            np.minimum(seconds, _MOST_S, out=seconds)

    def still_part(self, region: Region, still_s: float) -> Region | None:
        """Cut out what of a region has been still for so long; None unless that is most of it."""
        rows = region.box.slices
        still = region.mask & (self.still_s[rows] >= still_s) & (self.quiet_s[rows] > 0)
        canvas = np.zeros(self.still_s.shape, np.uint8)
        canvas[rows][still] = 255
        part = max(find_regions(closed(canvas)), key=lambda part: part.pixels, default=None)
        return part if part is not None and part.pixels >= _MOST * region.pixels else None

    def since_s(self, region: Region) -> float:
        """Say for how many seconds a region has been still, at the pixel that has been for longest."""
        return float(self.still_s[region.box.slices][region.mask].max())

    def forget(self, canvas: NDArray[np.bool_]) -> None:
        """Drop the evidence where a canvas (height, width) is true."""
        self.still_s[canvas] = 0
