"""The order of results: best first, equal scores by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Ranked = tuple[NDArray[np.int64], NDArray[np.float32]]

NO_KEY = -1
_SPARE = 8


def best(keys: NDArray[np.int64], scores: NDArray[np.float32], top: int) -> Ranked:
    """Put rows of results in order and cut or fill them to `top`; NO_KEY marks a place without a result."""
    missing = max(0, top - keys.shape[1])
    keys = np.pad(keys, ((0, 0), (0, missing)), constant_values=NO_KEY)
    scores = np.where(keys == NO_KEY, -np.inf, np.pad(scores, ((0, 0), (0, missing)))).astype(np.float32)
    order = np.lexsort((keys, -scores), axis=1)[:, :top]
    return np.take_along_axis(keys, order, axis=1), np.take_along_axis(scores, order, axis=1)


def best_with_ties(fetch: Callable[[int], Ranked], top: int, available: int) -> Ranked:
    """Rank what `fetch(count)` finds, `count` results a query, fetching more while the last place is a tie.

    Searches cut equal scores arbitrarily, so the ones with the smallest keys may be among those cut off.
    """
    count = min(top + _SPARE, available)
    while True:
        keys, scores = best(*fetch(count), count)
        last = scores[:, -1]
        if count >= available or not ((last == scores[:, top - 1]) & np.isfinite(last)).any():
            return best(keys, scores, top)
        count = min(4 * count, available)
