"""Parts of the cameras' pictures in which an object must not be left, from a JSON file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from trifuse.errors import ConfigurationError
from trifuse.systems.surveillance.scene.settings import SceneSettings

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from trifuse.systems.surveillance.scene.settings import Polygon

EVERY_CAMERA = "*"
_EXPECTED = (
    '{"CAMERA or *": [{"name": "platform", "polygon": [[x, y], [x, y], [x, y]]}]}, x and y from 0 to 1'
)


@dataclass(frozen=True)
class Zone:
    """A polygon with a name; its points are shares of the picture's width and height."""

    name: str
    polygon: Polygon


def read_zones(path: Path, cameras: Collection[str]) -> dict[str, tuple[Zone, ...]]:
    """Read each camera's zones; those of `*` belong to every camera.

    Raises ConfigurationError for a file that is not what it should be, or names a camera that there is not.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        zones = {str(camera): tuple(map(_zone, listed)) for camera, listed in content.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"{path} has no zones", got=error, expected=_EXPECTED) from error
    unknown = sorted(zones.keys() - {*cameras, EVERY_CAMERA})
    if unknown:
        raise ConfigurationError(
            f"{path} names a camera that is not watched", got=unknown[0], expected=", ".join(sorted(cameras))
        )
    common = zones.get(EVERY_CAMERA, ())
    return {camera: zones.get(camera, ()) + common for camera in cameras}


def zone_of(box: tuple[float, float, float, float], zones: Collection[Zone]) -> str | None:
    """Name the zone in which a box (x0, y0, x1, y1) stands: where the middle of its lower side is."""
    foot = (box[0] + box[2]) / 2, box[3]
    for zone in zones:
        if cv2.pointPolygonTest(np.array(zone.polygon, np.float32), foot, measureDist=False) >= 0:
            return zone.name
    return None


def _zone(row: dict[str, Any]) -> Zone:
    zone = Zone(str(row["name"]), tuple((float(x), float(y)) for x, y in row["polygon"]))
    # The settings know what a polygon is.
    SceneSettings(zones=(zone.polygon,))
    return zone
