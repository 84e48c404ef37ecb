"""One measurement: clients call a server in a closed loop for some seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from trifuse.benchmarking.latencies import PERCENTILES
from trifuse.benchmarking.loops import closed_loop
from trifuse.benchmarking.server_side import taken
from trifuse.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psutil


def measure(
    call: Callable[[int], object],
    clients: int,
    seconds: float,
    warm_up_s: float,
    processes: Sequence[psutil.Process],
) -> dict[str, float]:
    """Measure calls a second, percentiles of their latency in milliseconds, and what the processes took.

    Calls count that end in the window, wherever they began: where calls take long few begin and end there,
    and counting those alone would make slow servers slower than they are. Raises ServerError when any failed.
    """
    calls: list[tuple[float, float]] = []

    def timed(number: int) -> None:
        sent_s = time.perf_counter()
        call(number)
        calls.append((time.perf_counter(), time.perf_counter() - sent_s))

    before = taken(processes)
    started_s = time.perf_counter()
    load = closed_loop(timed, clients, seconds, warm_up_s)
    elapsed_s = time.perf_counter() - started_s
    after = taken(processes)
    if load.failures:
        raise ServerError(
            "a server failed under load", got=f"{load.failures} of {load.failures + len(calls)}"
        )
    return {
        **window(calls, started_s + warm_up_s, seconds),
        "cores": (after["cpu_s"] - before["cpu_s"]) / elapsed_s,
        "memory_mb": after["memory_mb"],
    }


def window(calls: Sequence[tuple[float, float]], begin_s: float, seconds: float) -> dict[str, float]:
    """Summarise calls, (end, latency) in seconds, that ended in a window; all of them if none did."""
    inside = [latency for end_s, latency in calls if begin_s <= end_s <= begin_s + seconds]
    latencies_ms = np.multiply(inside or [latency for _, latency in calls], 1000)
    found = {f"p{one}": float(np.percentile(latencies_ms, one)) for one in PERCENTILES}
    return found | {"per_second": len(inside) / seconds}
