"""Two backgrounds that learn at different speeds: what only the slow one does not know lies still.

Source: Porikli, Ivanov and Haga, "Robust Abandoned Object Detection Using Dual Foregrounds", EURASIP Journal
on Advances in Signal Processing 2008, https://doi.org/10.1155/2008/197875. Here a background is a running
mean with a time constant, so that frames may come at any distance in time, and follows the exposure.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from trifuse.systems.surveillance.scene.masks import above, either, grown, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trifuse.systems.surveillance.scene.masks import Mask
    from trifuse.systems.surveillance.scene.settings import SceneSettings

_NEIGHBOURS = np.ones((3, 3), np.uint8)
# More foreground than this share of the picture, or so much more than a frame before, is another light.
_NEW_LIGHT_SHARE, _NEW_LIGHT_JUMP = 0.5, 0.3
# If the edges are not where they were either, somebody has turned the camera.
_TURNED_JUMP, _SAME_EDGES = 0.03, 0.4
# At first a background learns all that it sees, but from no frame more than this.
_FASTEST_RATE = 0.5
# A pixel may differ by so many mean changes from frame to frame, but at most by so many least contrasts.
_SPREAD_S, _SPREADS, _MOST_CONTRASTS = 120.0, 3.0, 2.5
# The exposure is read off every fourth pixel of every fourth row, if there are enough that are well exposed.
_GAIN_GRID, _GAIN_PIXELS, _GAIN_DEADBAND = 4, 200, 0.01
_DARKEST, _BRIGHTEST = 20, 235
# Width in pixels of the surroundings that tell the new light on something, and the least and largest change.
_SURROUNDINGS, _LIGHT_RANGE = 61, (0.2, 5.0)


class Foreground(NamedTuple):
    """What differs from the slow and from the fast background, both (height, width), 0 or 255.

    `tolerance` (height, width) is by how many levels a pixel had to differ; `gain` (3,) is how much brighter
    the picture became since the one before.
    """

    slow: Mask
    fast: Mask
    tolerance: NDArray[np.uint8]
    gain: NDArray[np.float32]


class DualBackground:
    """The empty scene (`slow`) and the scene of the last seconds (`fast`), RGB (height, width, 3) float32."""

    def __init__(self, frame: NDArray[np.uint8], settings: SceneSettings) -> None:
        self._settings = settings
        self.slow = frame.astype(np.float32)
        self.fast = frame.astype(np.float32)
        self._spread = np.full(frame.shape[:2], settings.contrast_levels / _SPREADS, np.float32)
        self._foreground = np.zeros(frame.shape[:2], np.uint8)
        self._age_s = 0.0

    def update(self, frame: NDArray[np.uint8], step_s: float, watched: Mask) -> Foreground:
        """Compare an RGB frame (height, width, 3) with both backgrounds, then learn from it.

        `step_s` is the time since the frame before. Where `watched` (height, width) is not 0, the slow
        background keeps what was there before.
        """
        gain = self._follow_exposure(frame)
        tolerance = self._tolerance()
        slow = above(excess(frame, self.slow), tolerance)
        motion = excess(frame, self.fast)
        fast = above(motion, tolerance)
        turned = self._is_turned(frame, slow)
        if turned or self._is_new_light(slow):
            self._begin_anew(frame, watched if turned else either(self._foreground, watched))
            slow = above(excess(frame, self.slow), tolerance)
            fast = np.zeros_like(fast)
        self._foreground = slow
        self._learn(frame, motion, step_s, either(slow, watched))
        return Foreground(slow, fast, tolerance, gain)

    def absorb(self, region: NDArray[np.bool_]) -> None:
        """Make what is seen in a region (height, width) part of the empty scene."""
        self.slow[region] = self.fast[region]

    def _tolerance(self) -> NDArray[np.uint8]:
        """Allow for noise, and for more where leaves, water or screens always move."""
        least = self._settings.contrast_levels
        most = _MOST_CONTRASTS * least
        return np.asarray(np.clip(_SPREADS * self._spread, least, most), np.uint8)

    def _learn(
        self, frame: NDArray[np.uint8], motion: NDArray[np.uint8], step_s: float, occupied: Mask
    ) -> None:
        self._age_s += step_s
        slow_rate = max(_rate(step_s, self._settings.slow_s), step_s / self._age_s)
        cv2.accumulateWeighted(frame, self.slow, min(slow_rate, _FASTEST_RATE), cv2.bitwise_not(occupied))
        cv2.accumulateWeighted(frame, self.fast, _rate(step_s, self._settings.fast_s))
        most = np.uint8(2 * self._settings.contrast_levels)
        cv2.accumulateWeighted(np.minimum(motion, most), self._spread, _rate(step_s, _SPREAD_S))

    def _follow_exposure(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scale both backgrounds by the median change of what is no foreground."""
        grid = np.s_[::_GAIN_GRID, ::_GAIN_GRID]
        empty = self._foreground[grid] == 0
        known, now = self.slow[grid][empty], frame[grid][empty]
        gain = np.array(
            [_median_ratio(now[:, channel], known[:, channel]) for channel in range(3)], np.float32
        )
        if np.abs(gain - 1).max() < _GAIN_DEADBAND:
            return np.ones(3, np.float32)
        for background in (self.slow, self.fast):
            np.clip(background * gain, 1, 255, out=background)
        return gain

    def _is_new_light(self, slow: Mask) -> bool:
        return share(slow) > _NEW_LIGHT_SHARE or share(slow) - share(self._foreground) > _NEW_LIGHT_JUMP

    def _is_turned(self, frame: NDArray[np.uint8], slow: Mask) -> bool:
        jump = share(slow) - share(self._foreground)
        return jump > _TURNED_JUMP and _same_edges(frame, self.slow) < _SAME_EDGES

    def _begin_anew(self, frame: NDArray[np.uint8], foreground: Mask) -> None:
        """Take the frame for the empty scene, but keep what is behind the foreground, lit as around it."""
        kept = grown(foreground) > 0
        weights = np.where(kept, np.float32(0), np.float32(1))[..., None]
        now, before = (
            cv2.blur(picture * weights, (_SURROUNDINGS, _SURROUNDINGS)) for picture in (frame, self.slow)
        )
        behind = self.slow * np.clip((now + 1) / (before + 1), *_LIGHT_RANGE)
        self.slow = np.where(kept[..., None], np.minimum(behind, 255), frame).astype(np.float32)
        self.fast = frame.astype(np.float32)
        self._age_s = 0.0


def excess(frame: NDArray[np.uint8], known: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Say by how many levels each pixel leaves the range of its neighbourhood in a known picture.

    Both (height, width, 3); returns the strongest channel, (height, width). The neighbourhood lets a camera
    shake by a pixel.
    """
    picture = cv2.convertScaleAbs(known)
    darker = cv2.subtract(cv2.erode(picture, _NEIGHBOURS), frame)
    brighter = cv2.subtract(frame, cv2.dilate(picture, _NEIGHBOURS))
    red, green, blue = cv2.split(cv2.max(darker, brighter))
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)


def _same_edges(frame: NDArray[np.uint8], known: NDArray[np.float32]) -> float:
    """Correlate how steep two pictures (height, width, 3) are: 1 for edges at the same places, 0 for none."""
    steepness = []
    for picture in (frame.astype(np.float32), known):
        grey = cv2.GaussianBlur(cv2.transform(picture, np.full((1, 3), 1 / 3)), (5, 5), 0)
        steepness.append(cv2.magnitude(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)))
    one, other = (steep - steep.mean() for steep in steepness)
    return float((one * other).mean() / max(one.std() * other.std(), 1e-6))


def _median_ratio(now: NDArray[np.uint8], known: NDArray[np.float32]) -> float:
    """Divide what is neither dark nor overexposed by what it was; 1 where too little is left to tell."""
    usable = (known > _DARKEST) & (known < _BRIGHTEST)
    return float(np.median(now[usable] / known[usable])) if np.count_nonzero(usable) >= _GAIN_PIXELS else 1.0


def _rate(step_s: float, constant_s: float) -> float:
    return 1 - math.exp(-step_s / constant_s)
