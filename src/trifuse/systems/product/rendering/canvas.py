"""Antialiased drawing of cloth in the garment's own coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Points = NDArray[np.float64]

Colour = tuple[int, int, int]

_OVERSAMPLING = 2


@dataclass(frozen=True)
class Pose:
    """Where a garment lies in the photo: pixels per unit, centre in pixels, rotation, left-right flip."""

    scale: float
    centre: tuple[float, float]
    rotation_rad: float = 0.0
    flipped: bool = False

    def to_pixels(self, points: Points) -> Points:
        """Map garment coordinates (x right, y down, about -1 … 1) to pixels of the photo."""
        cosine, sine = math.cos(self.rotation_rad), math.sin(self.rotation_rad)
        mirror = -1.0 if self.flipped else 1.0
        matrix = np.array([[cosine * mirror, sine * mirror], [-sine, cosine]])
        mapped: Points = points @ matrix * self.scale + np.array(self.centre)
        return mapped


class Canvas:
    """A sheet of cloth and the mask of what is cut from it, drawn larger than the photo and then reduced."""

    def __init__(self, size: tuple[int, int], pose: Pose, colour: Colour) -> None:
        large = (size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING)
        self.pose = pose
        self._sheet = Image.new("RGB", large, colour)
        self._mask = Image.new("L", large)
        self._pen = ImageDraw.Draw(self._sheet, "RGBA")
        self._scissors = ImageDraw.Draw(self._mask)

    def cut(self, outline: Points) -> None:
        """Add the area inside an outline to the garment."""
        self._scissors.polygon(self._place(outline), fill=255)

    def ink(self, outline: Points, colour: Colour, opacity: float = 1.0) -> None:
        """Colour an area of the sheet; only what is cut will show."""
        self._pen.polygon(self._place(outline), fill=(*colour, round(255 * opacity)))

    def sew(self, outline: Points, colour: Colour) -> None:
        """Add a piece of another colour, which may stick out of the garment."""
        self.ink(outline, colour)
        self.cut(outline)

    def layers(self) -> tuple[Image.Image, Image.Image]:
        """Return cloth (RGB) and mask (L) in the photo's size."""
        return self._sheet.reduce(_OVERSAMPLING), self._mask.reduce(_OVERSAMPLING)

    def _place(self, points: Points) -> list[float]:
        placed: list[float] = (self.pose.to_pixels(points) * _OVERSAMPLING).ravel().tolist()
        return placed


def points(*pairs: tuple[float, float]) -> Points:
    """Collect (x, y) pairs into an array of shape (n, 2)."""
    return np.array(pairs, dtype=np.float64)


def mirrored(line: Points) -> Points:
    """Reflect about the garment's vertical axis, keeping the direction of travel along the outline."""
    reflected: Points = line[::-1] * np.array([-1.0, 1.0])
    return reflected


def symmetric(right_half: Points) -> Points:
    """Complete an outline of which the right half is given from top to bottom."""
    return np.concatenate([right_half, mirrored(right_half)])


def rounded(line: Points, *, closed: bool = True, passes: int = 2) -> Points:
    """Round the corners by Chaikin's corner cutting; a point given twice stays a sharper corner."""
    for _ in range(passes):
        following = np.roll(line, -1, axis=0)
        cut = np.stack([0.75 * line + 0.25 * following, 0.25 * line + 0.75 * following], axis=1).reshape(
            -1, 2
        )
        line = cut if closed else np.concatenate([line[:1], cut[:-2], line[-1:]])
    return line


def ribbon(line: Points, width: float) -> Points:
    """Outline a band of a width that follows a line."""
    tangent = np.gradient(line, axis=0)
    length = np.hypot(tangent[:, 0], tangent[:, 1])[:, None]
    normal = tangent[:, ::-1] * np.array([-1.0, 1.0]) / np.maximum(length, 1e-9)
    return np.concatenate([line + normal * width / 2, (line - normal * width / 2)[::-1]])


def spaced(line: Points, spacing: float) -> Points:
    """Place points at about equal distances along a line, both ends included."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    stations = np.linspace(0.0, travelled[-1], max(2, round(travelled[-1] / spacing) + 1))
    return np.stack([np.interp(stations, travelled, line[:, axis]) for axis in (0, 1)], axis=1)


def disc(centre: Iterable[float], radius: float, sides: int = 14) -> Points:
    """Outline a circle."""
    angles = np.linspace(0.0, 2 * math.pi, sides, endpoint=False)
    circle: Points = np.asarray(tuple(centre)) + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return circle


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    """Outline an upright rectangle."""
    return points((left, top), (right, top), (right, bottom), (left, bottom))


def turned(shape: Points, angle_rad: float, centre: Iterable[float], size: float = 1.0) -> Points:
    """Scale and rotate a shape that is drawn around the origin and move it to a centre."""
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    moved: Points = shape @ np.array([[cosine, sine], [-sine, cosine]]) * size + np.asarray(tuple(centre))
    return moved
