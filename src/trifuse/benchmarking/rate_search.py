"""The most calls a second that a server answers within a limit of latency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from trifuse.benchmarking.loops import Load

_MOST_TRIALS, _PRECISION = 12, 0.05


@dataclass(frozen=True)
class Sustained:
    """The highest rate that stayed within the limit (0 if none did), what was measured at it, and at all."""

    rate: float
    load: Load | None
    tried: dict[float, Load]


def throughput_at(measure: Callable[[float], Load], limit_ms: float, first_rate: float) -> Sustained:
    """Find the highest rate of an open loop whose p99 stays within a limit, to 5 %.

    `measure` runs the loop at a rate. The rate is doubled from `first_rate` until one is too high, then the
    stretch between the highest that was kept and the lowest that was not is halved. A rate with failures, or
    one that the generator could not send, was not kept.
    """
    tried: dict[float, Load] = {}
    low, high, rate = 0.0, None, first_rate
    while len(tried) < _MOST_TRIALS:
        tried[rate] = load = measure(rate)
        if not load.failures and not load.unsent and load.latencies.summary_ms()["p99"] <= limit_ms:
            low = rate
        else:
            high = rate
        if high is None:
            rate = 2 * low
        elif high - low > _PRECISION * high:
            rate = (low + high) / 2
        else:
            break
    return Sustained(low, tried.get(low), tried)
