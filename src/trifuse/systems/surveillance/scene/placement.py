"""Whether something was put down or taken away, and where exactly its outline is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from trifuse.systems.surveillance.scene.masks import grown, shrunk, where, without
from trifuse.systems.surveillance.scene.regions import cropped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trifuse.systems.surveillance.scene.masks import Mask
    from trifuse.systems.surveillance.scene.regions import Region

_MARGIN_PX = 5
# What correlates so much is the same, if it has enough pixels and varies by enough levels to tell.
_SAME_THINGS, _SAME_TEXTURE, _LEAST_PIXELS, _LEAST_LEVELS = 0.8, 0.6, 30, 1.5
_FIT = 1.7
_OUTSIDE_SHARE = 0.5
_HALF, _BLUR_PX = 0.5, 2


def sharpened(region: Region, now: NDArray[np.float32], before: NDArray[np.float32]) -> Region:
    """Take the blur off a region's outline: the pixels that changed by less than half of what is beside them.

    Both pictures are (height, width, 3).
    """
    rows = region.box.slices
    change = cv2.absdiff(now[rows], before[rows]).max(2)
    blurred = change < _HALF * cv2.dilate(change, np.ones((3, 3), np.uint8), iterations=_BLUR_PX)
    core = shrunk(where(region.mask), _BLUR_PX) > 0
    kept = region.mask & (core | ~blurred)
    return cropped(region.box, kept) if kept.any() else region


def placed_share(region: Region, now: NDArray[np.float32], before: NDArray[np.float32]) -> float:
    """Say how far the outline of a region belongs to the picture now (1) or to the one before (0).

    Both pictures are (height, width, 3). An object that was put down brings its outline along; one that was
    taken away leaves a region that continues its surroundings. A light or a shadow keeps the content that it
    falls on, or fades out: 0.
    """
    area = region.box.grown(_MARGIN_PX, now.shape)
    mask = region.within(area)
    patch_now, patch_before = now[area.slices], before[area.slices]
    if _same_content(mask, patch_now, patch_before) or _fades_out(mask, patch_now - patch_before):
        return 0.0
    outline_now, outline_before = _outline(mask, patch_now), _outline(mask, patch_before)
    return outline_now / max(outline_now + outline_before, 1e-6)


def _outline(mask: Mask, patch: NDArray[np.float32]) -> float:
    """Measure how sharply a patch changes along the edge of a mask, in levels."""
    edge = without(grown(mask), shrunk(mask)) > 0
    steepness = cv2.magnitude(cv2.Sobel(patch, -1, 1, 0, scale=0.25), cv2.Sobel(patch, -1, 0, 1, scale=0.25))
    outside = _around(mask)
    step = np.abs(patch[mask > 0].mean(0) - patch[outside].mean(0)).max() if outside.any() else 0.0
    return float(steepness.max(2)[edge].mean() + step)


def _fades_out(mask: Mask, change: NDArray[np.float32]) -> bool:
    """Whether the surroundings of a mask have changed nearly as much as what is inside."""
    outside = _around(mask)
    inside = np.abs(change[mask > 0].mean(0)).max()
    return bool(outside.any() and np.abs(change[outside].mean(0)).max() > _OUTSIDE_SHARE * inside)


def _around(mask: Mask) -> NDArray[np.bool_]:
    """Mark a ring around a mask, one pixel off."""
    return without(grown(mask, 3), grown(mask)) > 0


def _same_content(mask: Mask, now: NDArray[np.float32], before: NDArray[np.float32]) -> bool:
    """Whether both patches show the same in another light: the same things, or the same detail inside."""
    whole, inside = grown(mask) > 0, shrunk(mask, 2) > 0
    if _correlation(now[whole], before[whole]) > _SAME_THINGS:
        return True
    fine_now, fine_before = (patch - cv2.blur(patch, (5, 5)) for patch in (now, before))
    one, other = fine_now[inside], fine_before[inside]
    # Light scales detail as it scales everything; a seam that happens to lie on a joint does not fit.
    gain = now[inside].mean() / max(before[inside].mean(), 1.0) if len(one) else 1.0
    fits = bool(len(one)) and 1 / _FIT < gain * other.std() / max(one.std(), 1e-6) < _FIT
    return fits and _correlation(one, other) > _SAME_TEXTURE


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Correlate two lists of pixels (count, 3); 0 where they are too few or too even to tell."""
    if len(one) < _LEAST_PIXELS:
        return 0.0
    changes = [(pixels - pixels.mean(0)).ravel() for pixels in (one, other)]
    strengths = [float(change.std()) for change in changes]
    if min(strengths) < _LEAST_LEVELS:
        return 0.0
    return float((changes[0] * changes[1]).mean()) / (strengths[0] * strengths[1])
