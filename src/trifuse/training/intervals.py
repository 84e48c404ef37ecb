"""Confidence intervals of shares of independent cases and of rates of rare events."""

from __future__ import annotations

import math
from statistics import NormalDist

from trifuse.training.bootstrap import Interval

_Z = NormalDist().inv_cdf(0.975)


def share(count: int, total: int) -> Interval | None:
    """Give a share of independent cases Wilson's 95 % interval; None if there are none.

    Source: Wilson, Probable inference (1927), https://doi.org/10.1080/01621459.1927.10502953.
    """
    if not total:
        return None
    mean, shrink = count / total, 1 + _Z**2 / total
    centre = (mean + _Z**2 / (2 * total)) / shrink
    half = _Z * math.sqrt(mean * (1 - mean) / total + (_Z / (2 * total)) ** 2) / shrink
    return Interval(mean, max(0.0, centre - half), min(1.0, centre + half))


def rate(count: int, exposure: float) -> Interval | None:
    """Give a number of rare events per unit of exposure Byar's 95 % interval; None without exposure.

    The upper bound is within a percent of the exact one; the lower is somewhat too low for a handful.
    Source: Breslow and Day, Statistical Methods in Cancer Research II (1987), section 2.3.
    """
    if not exposure:
        return None
    low = count * (1 - 1 / (9 * count) - _Z / (3 * math.sqrt(count))) ** 3 if count else 0.0
    more = count + 1
    high = more * (1 - 1 / (9 * more) + _Z / (3 * math.sqrt(more))) ** 3
    return Interval(count / exposure, low / exposure, high / exposure)
