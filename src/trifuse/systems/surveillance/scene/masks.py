"""Masks of a picture, (height, width), 0 or 255: OpenCV's operations with the types that they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.uint8]

_NEIGHBOURS = np.ones((3, 3), np.uint8)


def where(condition: NDArray[np.bool_]) -> Mask:
    """Make a mask of what is true."""
    return np.where(condition, np.uint8(255), np.uint8(0))


def above(levels: NDArray[np.uint8], limits: NDArray[np.uint8]) -> Mask:
    """Mask where levels (height, width) are above limits of the same shape."""
    return np.asarray(cv2.compare(levels, limits, cv2.CMP_GT), np.uint8)


def either(one: Mask, other: Mask) -> Mask:
    """Unite two masks."""
    return np.asarray(cv2.bitwise_or(one, other), np.uint8)


def without(mask: Mask, other: Mask) -> Mask:
    """Take a mask out of another."""
    return np.asarray(cv2.bitwise_and(mask, cv2.bitwise_not(other)), np.uint8)


def grown(mask: Mask, pixels: int = 1) -> Mask:
    """Add so many pixels all around."""
    return np.asarray(cv2.dilate(mask, _NEIGHBOURS, iterations=pixels), np.uint8)


def shrunk(mask: Mask, pixels: int = 1) -> Mask:
    """Take so many pixels away all around, also along the mask's border."""
    outside: dict[str, Any] = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 0}
    return np.asarray(cv2.erode(mask, _NEIGHBOURS, iterations=pixels, **outside), np.uint8)


def closed(mask: Mask, height: int = 3, width: int = 3) -> Mask:
    """Close gaps that are smaller than a height and a width in pixels."""
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((height, width), np.uint8)), np.uint8)


def share(mask: Mask) -> float:
    """Say which share of the pixels is set, 0 to 1."""
    return cv2.countNonZero(mask) / mask.size
