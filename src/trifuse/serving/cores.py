"""How many cores this process may use, and how many of them a part does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
# More threads than these bring one inference little; further cores serve further requests.
_MAXIMUM_THREADS = 4
_PICTURE_DIMENSIONS = 3


def available_cores(cpu_max: Path = _CPU_MAX) -> int:
    """Count the whole cores that this process may use: its affinity, or the container's quota if less.

    `cpu_max` is the control group's file: "QUOTA PERIOD" in microseconds, or "max PERIOD" without a quota.
    """
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text().split()
    except FileNotFoundError:
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def part_threads(dimensions: Iterable[int], cores: int) -> int:
    """Choose a part's threads by the numbers of dimensions that an item of its inputs has.

    Convolutions over pictures and films share the cores; everything else is over before a second thread is
    awake, and slower with one (decision 0018).
    """
    shared = max(dimensions) >= _PICTURE_DIMENSIONS
    return min(cores, _MAXIMUM_THREADS) if shared else 1
