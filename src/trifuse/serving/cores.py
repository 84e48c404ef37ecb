"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


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
