"""Things in the picture: bags and trolleys that are moved, and what stands in the way of the view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trifuse.systems.surveillance.rendering.camera import Camera, Points
    from trifuse.systems.surveillance.rendering.skeleton import Colour, Track

    Image = NDArray[np.uint8]

# Width and height in metres.
PROP_SIZES_M = {"suitcase": (0.46, 0.66), "backpack": (0.4, 0.5), "box": (0.5, 0.45), "trolley": (0.75, 1.05)}
_GOODS: tuple[Colour, ...] = ((170, 60, 50), (60, 90, 150), (210, 180, 90), (80, 130, 90), (200, 200, 200))
_PAINT: tuple[Colour, ...] = (
    (170, 172, 176),
    (40, 42, 48),
    (140, 30, 34),
    (40, 62, 110),
    (214, 212, 206),
    (90, 100, 92),
)


@dataclass(frozen=True)
class Sprite:
    """A picture of a thing that does not move: RGB and mask (height, width), its corner and its distance."""

    depth_m: float
    corner: tuple[int, int]
    picture: Image
    mask: Image

    def draw(self, image: Image) -> None:
        """Lay it over a picture, RGB (height, width, 3)."""
        x, y = self.corner
        height, width = self.mask.shape
        cv2.copyTo(self.picture, self.mask, image[y : y + height, x : x + width])


def pillar(camera: Camera, x: float, z: float, width: float, height: float, colour: Colour) -> Sprite:
    """Make a pillar or a lamp post, lit from the left."""
    strips = [
        (
            _box(x - width / 2 + width * step / 4, 0.0, width / 4, height, z),
            _toned(colour, 1.12 - 0.13 * step),
        )
        for step in range(4)
    ]
    return _sprite(camera, z, strips)


def shelf(camera: Camera, x: float, z: float, rng: np.random.Generator) -> Sprite:
    """Make a shelf with goods that stands in the room."""
    width, height = float(rng.uniform(1.2, 1.8)), float(rng.uniform(1.1, 1.6))
    left = x - width / 2
    parts = [(_box(left, 0.0, width, height, z), (128, 124, 118))]
    for low in np.arange(0.1, height - 0.3, 0.48):
        for offset in np.arange(0.05, width - 0.2, 0.24):
            colour = _toned(_GOODS[rng.integers(len(_GOODS))], float(rng.uniform(0.7, 1.15)))
            parts.append(
                (_box(left + float(offset), float(low), 0.2, float(rng.uniform(0.2, 0.38)), z), colour)
            )
    return _sprite(camera, z, parts)


def car(camera: Camera, x: float, z: float, rng: np.random.Generator, *, head_on: bool = False) -> Sprite:
    """Park a car, seen from its side or from its front."""
    paint = _toned(_PAINT[rng.integers(len(_PAINT))], float(rng.uniform(0.85, 1.1)))
    length = 1.75 if head_on else 4.2
    left, glass = x - length / 2, (52, 62, 72)
    inset = 0.16 if head_on else 0.22
    roof = [(inset, 0.85), (1 - inset * 0.8, 0.85), (0.92 - inset, 1.42), (inset + 0.12, 1.42)]
    cabin = np.array([(left + share * length, y, z) for share, y in roof])
    middle = cabin.mean(axis=0)
    wheels = (0.04, 0.74) if head_on else (0.12, 0.7)
    parts = [
        *(
            (_box(left + share * length, 0.0, 0.24 if head_on else 0.66, 0.6, z), (24, 24, 26))
            for share in wheels
        ),
        (_box(left, 0.28, length, 0.6, z), paint),
        (cabin, _toned(paint, 0.92)),
        (middle + (cabin - middle) * [0.84, 0.76, 1.0], glass),
        (_box(left, 0.28, length, 0.12, z), _toned(paint, 0.6)),
        *((_box(left + share * length, 0.55, 0.16, 0.14, z), (226, 220, 190)) for share in (0.03, 0.87)),
    ]
    return _sprite(camera, z, parts)


def draw_prop(image: Image, kind: str, colour: Colour, camera: Camera, place_m: Track) -> None:
    """Draw a bag, a box or a trolley whose bottom's middle is at (x, y, z) in metres."""
    foot, scale = camera.project(place_m)
    width, height = (size * float(scale) for size in PROP_SIZES_M[kind])
    if kind == "trolley":
        _draw_trolley(image, foot, width, height)
        return
    left, top, right = foot[0] - width / 2, foot[1] - height, foot[0] + width / 2
    body = top + height * (0.22 if kind == "suitcase" else 0.0)
    if kind == "suitcase":
        for x in (left + width * 0.3, right - width * 0.3):
            _line(image, (x, top), (x, body), (60, 60, 62), width * 0.08)
        _line(image, (left + width * 0.3, top), (right - width * 0.3, top), (60, 60, 62), width * 0.1)
    _fill(image, [(left, body), (right, body), (right, foot[1]), (left, foot[1])], colour)
    _fill(
        image,
        [(left, body), (left + width * 0.3, body), (left + width * 0.3, foot[1]), (left, foot[1])],
        _toned(colour, 1.2),
    )
    seam = body + (foot[1] - body) * 0.45
    _line(image, (left, seam), (right, seam), _toned(colour, 0.65), width * 0.06)


def prop_box(kind: str, camera: Camera, place_m: Track) -> list[float]:
    """Bound a thing: left, top, right, bottom as shares of the picture's width and height."""
    foot, scale = camera.project(place_m)
    width, height = (size * float(scale) for size in PROP_SIZES_M[kind])
    pixels = (foot[0] - width / 2, foot[1] - height, foot[0] + width / 2, foot[1])
    sizes = (camera.width, camera.height) * 2
    return [
        round(min(max(float(value) / size, 0.0), 1.0), 4) for value, size in zip(pixels, sizes, strict=True)
    ]


def _draw_trolley(image: Image, foot: Points, width: float, height: float) -> None:
    left, right, top = foot[0] - width / 2, foot[0] + width / 2, foot[1] - height
    floor = foot[1] - height * 0.12
    basket = [
        (left, top + height * 0.15),
        (right, top),
        (right - width * 0.1, floor - height * 0.2),
        (left + width * 0.15, floor - height * 0.2),
    ]
    _fill(image, basket, (134, 138, 142))
    for share in (0.25, 0.5, 0.75):
        x = left + width * share
        _line(image, (x, top + height * 0.1), (x, floor - height * 0.2), (84, 88, 92), width * 0.03)
    _line(image, (left + width * 0.1, floor), (right - width * 0.05, floor), (70, 72, 76), width * 0.06)
    for x in (left + width * 0.15, right - width * 0.12):
        _line(image, (x, floor), (x, foot[1]), (30, 30, 32), width * 0.1)
    _line(image, (right, top), (right + width * 0.12, top - height * 0.05), (190, 50, 44), width * 0.08)


def _box(left: float, low: float, width: float, height: float, z: float) -> Track:
    right, high = left + width, low + height
    return np.array([(left, low, z), (right, low, z), (right, high, z), (left, high, z)])


def _sprite(camera: Camera, z: float, parts: Sequence[tuple[Track, Colour]]) -> Sprite:
    outlines = [camera.project(corners)[0] for corners, _ in parts]
    every = np.concatenate(outlines)
    size = np.array([camera.width, camera.height])
    low = np.clip(np.floor(every.min(axis=0)).astype(int) - 1, 0, size - 1)
    high = np.clip(np.ceil(every.max(axis=0)).astype(int) + 1, low + 1, size)
    width, height = (high - low).tolist()
    picture, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    for outline, (_, colour) in zip(outlines, parts, strict=True):
        fixed = np.rint((outline - low) * 16).astype(np.int32)
        cv2.fillPoly(picture, [fixed], colour, cv2.LINE_8, 4)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_8, 4)
    return Sprite(z, (int(low[0]), int(low[1])), picture, mask)


def _fill(image: Image, corners: Sequence[tuple[float, float]], colour: Colour) -> None:
    cv2.fillPoly(image, [np.rint(np.array(corners) * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)


def _line(
    image: Image, start: tuple[float, float], end: tuple[float, float], colour: Colour, width: float
) -> None:
    first, second = (tuple(round(value * 16) for value in point) for point in (start, end))
    cv2.line(image, first, second, colour, max(1, round(width)), cv2.LINE_AA, 4)


def _toned(colour: Colour, light: float) -> Colour:
    red, green, blue = (min(round(value * light), 255) for value in colour)
    return red, green, blue
