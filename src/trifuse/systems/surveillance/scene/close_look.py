"""OpenCV's people detector around lonely objects only: on whole pictures it is slow and often wrong.

Source: Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005,
https://doi.org/10.1109/CVPR.2005.177.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from trifuse.systems.surveillance.scene.masks import share
from trifuse.systems.surveillance.scene.regions import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trifuse.systems.surveillance.scene.masks import Mask
    from trifuse.systems.surveillance.scene.perspective import Perspective
    from trifuse.systems.surveillance.scene.settings import SceneSettings
    from trifuse.systems.surveillance.scene.watched_object import WatchedObject

# The detector's window is 64 × 128 pixels; the people that it learnt from are 96 tall and half as wide as it.
_WINDOW, _FIGURE_HEIGHT = (64, 128), 96
_STRIDE, _SCALE, _LEAST_SCORE = (8, 8), 1.1, 0.3
_LARGEST_ZOOM = 4.0
_EVERY_S, _FROM_DWELL_SHARE = 5.0, 0.3
# How tall people are, in heights of the object, where none have been seen walking.
_UNKNOWN_PERSON = 4.0
_SAME_PERSON, _STANDS_OUT = 0.4, 0.15


class CloseLook:
    """Looks for standing people around the objects that are timing: one a picture, each every few seconds."""

    def __init__(self, settings: SceneSettings) -> None:
        self._settings = settings
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))

    def update(
        self,
        objects: Sequence[WatchedObject],
        frame: NDArray[np.uint8],
        unknown: Mask,
        known: Sequence[Box],
        perspective: Perspective,
        time_s: float,
    ) -> None:
        """Tell the object that waited longest who stands there.

        `frame` is the RGB frame (height, width, 3). In `unknown`, smaller and of shape (height, width), what
        is neither background nor object is not 0: only there people count, and only if not yet `known`.
        """
        due = [watched for watched in objects if self._is_due(watched, time_s)]
        if not due:
            return
        watched = min(due, key=lambda watched: watched.detected_s)
        height = perspective.typical_height(watched.box.y1) or _UNKNOWN_PERSON * watched.box.height
        people = self._find(frame, unknown.shape, self._surroundings(watched, height, unknown.shape), height)
        watched.detected_s = time_s
        watched.detected = [
            box for box in people if _stands_out(box, unknown) and not any(map(box.shared, known))
        ]
        itself = any(box.overlap(watched.box) > _SAME_PERSON for box in people)
        watched.human += 0.5 * (itself - watched.human)

    def _is_due(self, watched: WatchedObject, time_s: float) -> bool:
        timing = time_s - watched.attended_s >= _FROM_DWELL_SHARE * self._settings.dwell_s
        return timing and time_s - watched.detected_s >= _EVERY_S

    def _surroundings(self, watched: WatchedObject, height: float, shape: tuple[int, ...]) -> Box:
        box, aside = watched.box, watched.reach(self._settings) + height / 3
        return Box(
            max(0, round(box.x0 - aside)),
            max(0, round(box.y1 - 1.3 * height)),
            min(shape[1], round(box.x1 + aside)),
            min(shape[0], round(box.y1 + height / 4)),
        )

    def _find(self, frame: NDArray[np.uint8], shape: tuple[int, ...], area: Box, height: float) -> list[Box]:
        """Find people about `height` tall in an area; both, and the boxes returned, are pixels of `shape`."""
        across, down = frame.shape[1] / shape[1], frame.shape[0] / shape[0]
        patch = frame[
            round(area.y0 * down) : round(area.y1 * down), round(area.x0 * across) : round(area.x1 * across)
        ]
        zoom = min(_FIGURE_HEIGHT / height, _LARGEST_ZOOM * down)
        size = max(round(area.width * zoom), _WINDOW[0]), max(round(area.height * zoom), _WINDOW[1])
        enlarged = cv2.resize(patch, size, interpolation=cv2.INTER_LINEAR)
        windows, scores = self._hog.detectMultiScale(
            enlarged, winStride=_STRIDE, padding=(16, 16), scale=_SCALE
        )
        zooms = size[0] / area.width, size[1] / area.height
        return [
            _figure(window, zooms, area)
            for window, score in zip(windows, np.ravel(scores), strict=True)
            if score >= _LEAST_SCORE
        ]


def _figure(window: Sequence[int], zooms: tuple[float, float], area: Box) -> Box:
    """Take the empty border off a window and place it in the picture."""
    x, y, width, height = (float(value) for value in window)
    return Box(
        round(area.x0 + (x + width / 4) / zooms[0]),
        round(area.y0 + (y + height / 8) / zooms[1]),
        round(area.x0 + (x + width * 3 / 4) / zooms[0]),
        round(area.y0 + (y + height * 7 / 8) / zooms[1]),
    )


def _stands_out(box: Box, unknown: Mask) -> bool:
    patch = unknown[box.grown(0, unknown.shape).slices]
    return patch.size > 0 and share(patch) >= _STANDS_OUT
