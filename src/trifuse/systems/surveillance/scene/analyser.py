"""The abandoned-object branch: minutes of a camera's picture to objects left behind and to evidence."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from trifuse.errors import InputError
from trifuse.systems.surveillance.scene.settings import SceneSettings
from trifuse.systems.surveillance.scene.watched_scene import WatchedScene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trifuse.systems.surveillance.scene.regions import Box
    from trifuse.systems.surveillance.scene.watched_object import WatchedObject

__all__ = ["SCENE_FEATURES", "LeftObject", "SceneAnalyser", "SceneSettings"]

# The evidence on the object that has been alone for longest; each value is 0 to 1.
SCENE_FEATURES = (
    "alone",  # how long nobody has been near, as a share of the dwell time
    "resting",  # how long it has been lying there, as a share of twice the dwell time
    "left",  # 1 if it counts as left behind
    "watched",  # how many objects are watched, as a share of five
    "distance",  # of the nearest person, as a share of ten widths of the object; 1 if nobody is seen
    "placed",  # how far its outline belongs to the picture now rather than to the one before
    "still",  # 1 if its look does not change, 0 if a tenth of it does
    "size",  # its height as a share of the largest that an object may have
)
_MANY_OBJECTS, _FAR_WIDTHS = 5, 10.0
# A longer time without frames is an interruption, in which nobody knows who was near.
_LONGEST_STEP_S = 3.0
# Cameras do not time their frames exactly: so much of the wait is enough.
_EARLY_SHARE = 0.9
_SMALLEST_PX = 32


@dataclass(frozen=True)
class LeftObject:
    """An object without its owner: box (x0, y0, x1, y1) as shares of width and height, and a stable id.

    `since_s` is when it was put down, in the frames' time; `unattended_s` is how long nobody has been near.
    """

    box: tuple[float, float, float, float]
    since_s: float
    unattended_s: float
    id: int


class SceneAnalyser:
    """Watches one camera, frame by frame; holds a few pictures, however long it runs.

    A person who stays near an object stops its timer, a passer-by does not. Light, camera shake, people who
    stand and the place that something was taken from raise nothing. Another shape of the picture or a clock
    that goes back starts anew.
    """

    def __init__(self, settings: SceneSettings | None = None) -> None:
        self._settings = settings or SceneSettings()
        self._numbers = itertools.count(1)
        self._scene: WatchedScene | None = None
        self._shape = (0, 0)
        self._time_s = -math.inf

    def update(self, frame: NDArray[np.uint8], time_s: float) -> list[LeftObject]:
        """Watch an RGB frame (height, width, 3) at a time in seconds; return the objects left behind by now.

        Frames that come faster than the settings' `analysis_fps` change nothing. Raises InputError.
        """
        _check(frame, time_s)
        step_s = time_s - self._time_s
        if 0 <= step_s < _EARLY_SHARE / self._settings.analysis_fps:
            return self._left()
        picture = self._shrunk(frame)
        shape = picture.shape[0], picture.shape[1]
        if self._scene is None or shape != self._shape or step_s < 0:
            self._scene = WatchedScene(picture, self._settings, self._numbers)
            self._shape, step_s = shape, 1 / self._settings.analysis_fps
        if step_s > _LONGEST_STEP_S:
            self._scene.wait(step_s - _LONGEST_STEP_S)
        self._scene.update(picture, frame, time_s, min(step_s, _LONGEST_STEP_S))
        self._time_s = time_s
        return self._left()

    def evidence(self) -> NDArray[np.float32]:
        """Return the evidence (8,) in the order of `SCENE_FEATURES`; zeros while no object is watched."""
        objects = self._objects()
        if not objects:
            return np.zeros(len(SCENE_FEATURES), np.float32)
        watched = min(objects, key=lambda one: one.attended_s)
        dwell_s, box = self._settings.dwell_s, watched.box
        values = {
            "alone": (self._time_s - watched.attended_s) / dwell_s,
            "resting": (self._time_s - watched.since_s) / (2 * dwell_s),
            "left": float(watched.left),
            "watched": len(objects) / _MANY_OBJECTS,
            "distance": watched.distance / (_FAR_WIDTHS * box.width),
            "placed": watched.placed,
            "still": watched.stillness,
            "size": box.height / (self._settings.largest_object_share * self._shape[0]),
        }
        return np.clip([values[name] for name in SCENE_FEATURES], 0, 1).astype(np.float32)

    def _shrunk(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = frame.shape[:2]
        small = min(self._settings.analysis_width, width)
        size = small, max(1, round(small * height / width))
        return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _objects(self) -> list[WatchedObject]:
        """List the watched objects that stand in a zone."""
        return [one for one in self._scene.objects if self._is_in_zone(one.box)] if self._scene else []

    def _is_in_zone(self, box: Box) -> bool:
        height, width = self._shape
        foot = (box.x0 + box.x1) / 2 / width, box.y1 / height
        zones = [np.array(zone, np.float32) for zone in self._settings.zones]
        return not zones or any(cv2.pointPolygonTest(zone, foot, measureDist=False) >= 0 for zone in zones)

    def _left(self) -> list[LeftObject]:
        height, width = self._shape
        return [
            LeftObject(
                box=(one.box.x0 / width, one.box.y0 / height, one.box.x1 / width, one.box.y1 / height),
                since_s=one.since_s,
                unattended_s=self._time_s - one.attended_s,
                id=one.number,
            )
            for one in self._objects()
            if one.left
        ]


def _check(frame: NDArray[np.uint8], time_s: float) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise InputError(
            "the frame cannot be watched",
            got=f"{frame.dtype} of shape {frame.shape}",
            expected="uint8 RGB (height, width, 3)",
        )
    if min(frame.shape[:2]) < _SMALLEST_PX:
        raise InputError(
            "the frame is too small to watch",
            got=f"{frame.shape[1]} × {frame.shape[0]} pixels",
            expected=f"at least {_SMALLEST_PX} × {_SMALLEST_PX}",
        )
    if not math.isfinite(time_s):
        raise InputError("the frame has no time", got=time_s, expected="seconds")
