"""One thing that was put down: is it still there, who is near, and for how long has it been alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from trifuse.systems.surveillance.scene.background import excess
from trifuse.systems.surveillance.scene.masks import grown, where
from trifuse.systems.surveillance.scene.placement import placed_share
from trifuse.systems.surveillance.scene.visits import Visits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trifuse.systems.surveillance.scene.background import DualBackground, Foreground
    from trifuse.systems.surveillance.scene.regions import Box, Region
    from trifuse.systems.surveillance.scene.settings import SceneSettings

_MARGIN_PX = 3
_APPEARANCE_S, _RESTLESS_S = 20.0, 10.0
_MOST_RESTLESS, _MOST_HUMAN = 0.1, 0.6
_PLACED, _NEEDED_VIEWS, _VIEWS = 0.6, 4, 12
# An alarm waits for visits that last longer than this, and needs a visit so many times as long to end.
_PASSING_S, _SURE = 1.0, 2.0
_FORMING_S, _NEWS_S = 8.0, 6.0


class WatchedObject:
    """A stationary object and its timer; all boxes are in pixels of the analysed picture."""

    def __init__(
        self, number: int, region: Region, frame: NDArray[np.uint8], since_s: float, found_s: float
    ) -> None:
        self.number, self.since_s, self._found_s = number, since_s, found_s
        self.attended_s = since_s
        self.left = False
        self._missing_s = self._hidden_s = 0.0
        self.human = self._restless = 0.0
        self.distance = math.inf
        self.detected: list[Box] = []
        self.detected_s = -math.inf
        self._visits = Visits()
        self.reshape(region, frame)

    def reshape(self, region: Region, frame: NDArray[np.uint8]) -> None:
        """Take over a newly seen outline, and the look of the object from an RGB frame (height, width, 3)."""
        self.region = region
        self.area = region.box.grown(_MARGIN_PX, frame.shape)
        self._mask = region.within(self.area)
        self.cover = grown(self._mask, 2)
        self.seen = self.cover.copy()
        self._changed = 0.0
        self._placed: list[float] = []
        self._look = frame[self.area.slices].astype(np.float32)

    @property
    def box(self) -> Box:
        """Where it is."""
        return self.region.box

    @property
    def placed(self) -> float:
        """How sure it is that it was put there rather than uncovered: 0 to 1, 0.5 when nothing is known."""
        return float(np.mean(self._placed)) if self._placed else 0.5

    @property
    def stillness(self) -> float:
        """1 if its look does not change, 0 if too much of it does for an object."""
        return max(0.0, 1 - self._restless / _MOST_RESTLESS)

    def is_doubted(self, time_s: float) -> bool:
        """Whether its outline is final and, with nobody around, says that nothing was put there."""
        return (
            not self._is_forming(time_s)
            and not self._visits.longest_s
            and len(self._placed) >= _NEEDED_VIEWS
            and self.placed < _PLACED
        )

    def reach(self, settings: SceneSettings) -> float:
        """Distance in pixels within which people attend to it; thin things count as half as wide as tall."""
        return settings.attend_widths * max(self.box.width, self.box.height / 2)

    def is_gone(self, settings: SceneSettings) -> bool:
        """Whether it was taken away or has been hidden for too long."""
        return self._missing_s >= settings.gone_s or self._hidden_s >= settings.hidden_s

    def takes(self, region: Region, time_s: float) -> bool:
        """Whether a still region is a part of it: what lies within, and at first what appears beside it."""
        shared = self.area.shared(region.box)
        return shared > 0 and (self._is_forming(time_s) or shared >= region.box.width * region.box.height / 2)

    def company(self, time_s: float) -> list[Box]:
        """List the people that the people detector found around it, as long as that is news."""
        return self.detected if time_s - self.detected_s < _NEWS_S else []

    def look(self, frame: NDArray[np.uint8], foreground: Foreground, step_s: float) -> None:
        """Compare it with an RGB frame (height, width, 3): there, taken away, or hidden by somebody."""
        self._look *= foreground.gain
        rows = self.area.slices
        known = excess(frame[rows], self._look) <= foreground.tolerance[rows]
        new, inside = foreground.slow[rows] > 0, self._mask > 0
        pixels = np.count_nonzero(inside)
        self.seen = where(known & (self.cover > 0))
        self._changed = 1 - np.count_nonzero(inside & known) / pixels
        there = np.count_nonzero(inside & known & new) >= pixels / 2
        gone = not there and np.count_nonzero(inside & ~known & ~new) >= pixels / 2
        self._missing_s = self._missing_s + step_s if gone else 0.0
        self._hidden_s = 0.0 if there or gone else self._hidden_s + step_s
        if there:
            cv2.accumulateWeighted(frame[rows], self._look, 1 - math.exp(-step_s / _APPEARANCE_S), self.seen)

    def judge(self, background: DualBackground, step_s: float) -> None:
        """Look at it while nobody covers it: was it put there, and does it move by itself."""
        if self._missing_s or self._hidden_s:
            return
        self._restless += (1 - math.exp(-step_s / _RESTLESS_S)) * (self._changed - self._restless)
        if len(self._placed) < _VIEWS:
            self._placed.append(placed_share(self.region, background.fast, background.slow))

    def attend(self, near: Sequence[Box], time_s: float, settings: SceneSettings) -> None:
        """Run the timer: whoever stays near stops it; an alarm waits until it is clear whether they stay."""
        self._visits.update(near, time_s)
        visit_s = self._visits.longest_s
        if visit_s >= settings.visit_s * (_SURE if self.left else 1):
            self.attended_s = time_s
        alone = time_s - self.attended_s >= settings.dwell_s
        seen = not self._missing_s and not self._hidden_s
        certain = seen and visit_s < _PASSING_S and self._is_object()
        self.left = alone and (self.left or certain)

    def _is_object(self) -> bool:
        """Whether it was put there, keeps still and is no person."""
        put_down = len(self._placed) >= _NEEDED_VIEWS and self.placed >= _PLACED
        return put_down and self.stillness > 0 and self.human <= _MOST_HUMAN

    def _is_forming(self, time_s: float) -> bool:
        return time_s - self._found_s < _FORMING_S
