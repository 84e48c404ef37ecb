"""What makes a motion somebody's own, and the curves that motions are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Track = NDArray[np.float64]
    # Values of the columns of a pose that a motion sets, by their names in lower case.
    Values = Mapping[str, Any]
    Motion = Callable[[Track, "Move"], Values]


@dataclass(frozen=True)
class Move:
    """A motion and what makes it this person's: `pace` in cycles per second, `phase` and `way` in radians."""

    name: str
    pace: float = 1.0
    phase: float = 0.0
    vigour: float = 1.0
    way: float = 0.0


def swing(time_s: Track, move: Move, cycles: float = 1.0, offset: float = 0.0) -> Track:
    """A sine between -1 and 1 at a multiple of the motion's pace."""
    return np.sin(2 * np.pi * move.pace * cycles * time_s + move.phase * cycles + offset)


def eased(time_s: Track, duration_s: float) -> Track:
    """From 0 to 1 with a smooth start and end."""
    share = np.clip(time_s / duration_s, 0.0, 1.0)
    return share * share * (3 - 2 * share)


def dropped(time_s: Track, duration_s: float) -> Track:
    """From 0 to 1 as something falls: ever faster, and then it lies."""
    return np.clip(time_s / duration_s, 0.0, 1.0) ** 2
