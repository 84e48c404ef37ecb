"""Where a camera hangs, and how it maps the world to pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.floating[Any]]

# Height in metres, tilt below the horizon in degrees, and the share of cameras that hang there.
_MOUNTS = (((1.7, 2.3), (4.0, 8.0), 0.2), ((2.7, 3.6), (11.0, 17.0), 0.5), ((4.4, 6.0), (20.0, 29.0), 0.3))
_NEAR_M = 0.5


@dataclass(frozen=True)
class Camera:
    """A pinhole camera above x = z = 0 that looks along +z and downwards; y points up, lengths are metres."""

    width: int
    height: int
    height_m: float
    tilt_rad: float
    focal: float

    @property
    def focal_px(self) -> float:
        """Focal length in pixels; `focal` is its share of the picture's width."""
        return self.focal * self.width

    def project(self, points: Points) -> tuple[Points, Points]:
        """Map world points (…, 3) to pixels (…, 2) and to the scale there in pixels per metre (…)."""
        x, y, z = points[..., 0], points[..., 1] - self.height_m, points[..., 2]
        sine, cosine = math.sin(self.tilt_rad), math.cos(self.tilt_rad)
        depth = np.maximum(z * cosine - y * sine, _NEAR_M)
        scale = self.focal_px / depth
        u = self.width / 2 + x * scale
        v = self.height / 2 - (y * cosine + z * sine) * scale
        return np.stack([u, v], axis=-1), scale

    def half_view_m(self, depth_m: float) -> float:
        """Half of the width of the ground that is in view at a distance along z, in metres."""
        _, scale = self.project(np.array([0.0, 0.0, depth_m]))
        return float(self.width / 2 / scale)

    def nearest_m(self) -> float:
        """How far along z the ground comes into view, in metres."""
        steepest = self.tilt_rad + math.atan(self.height / 2 / self.focal_px)
        return self.height_m / math.tan(steepest)


def mount(size: tuple[int, int], rng: np.random.Generator) -> Camera:
    """Hang a camera for pictures of a size (width, height): at eye height, over a door, or under a roof."""
    heights, tilts, _ = _MOUNTS[rng.choice(len(_MOUNTS), p=[share for *_, share in _MOUNTS])]
    return Camera(
        *size,
        height_m=float(rng.uniform(*heights)),
        tilt_rad=math.radians(rng.uniform(*tilts)),
        focal=float(rng.uniform(0.95, 1.25)),
    )
