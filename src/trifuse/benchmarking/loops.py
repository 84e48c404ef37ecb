"""Load on a server: so many clients one call after the other, or calls that arrive at a rate."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifuse.benchmarking.latencies import Latencies
from trifuse.errors import TrifuseError

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[[int], object]

# An open loop whose calls wait for a thread of its own measures itself: so many calls may be under way.
_MOST_UNDER_WAY = 256
# An arrival that the generator itself was late for by more than this.
_LATE_S = 0.005


@dataclass(frozen=True)
class Load:
    """What a loop found: latencies, calls a second that were answered, failures, and the share of arrivals
    that the generator itself was late for (their latency still counts from when they were due).
    """

    latencies: Latencies
    per_second: float
    failures: int
    late: float = 0.0

    def figures(self) -> dict[str, float]:
        """List everything as numbers; latencies in milliseconds."""
        known = {"calls": self.latencies.count, "per_second": self.per_second, "failures": self.failures}
        return known | {"late": self.late} | self.latencies.summary_ms()


def closed_loop(call: Call, clients: int, seconds: float, warm_up_s: float) -> Load:
    """Let so many clients call, each as soon as it was answered; `call` gets a number that counts up."""
    latencies, failures, numbers = Latencies(), itertools.count(), itertools.count()
    begin_s = time.perf_counter() + warm_up_s
    end_s = begin_s + seconds

    def work() -> None:
        while (sent_s := time.perf_counter()) < end_s:
            try:
                call(next(numbers))
            except TrifuseError:
                next(failures)
                continue
            if begin_s <= sent_s and time.perf_counter() <= end_s:
                latencies.add(time.perf_counter() - sent_s)

    _run([work] * clients)
    return Load(latencies, latencies.count / seconds, next(failures))


def open_loop(call: Call, rate: float, seconds: float, warm_up_s: float, seed: int = 0) -> Load:
    """Let calls arrive as a Poisson process of `rate` a second, however long the answers take.

    A latency counts from when its call was due, so that a server that stalls is not let off by a client that
    waits for it (coordinated omission: https://www.scylladb.com/2021/04/22/on-coordinated-omission/).
    """
    rng = np.random.default_rng(seed)
    count = int((warm_up_s + seconds) * rate * 1.2) + 20
    due_s = np.cumsum(rng.exponential(1 / rate, count))
    due_s = due_s[due_s < warm_up_s + seconds]
    latencies, failures, late = Latencies(), itertools.count(), itertools.count()
    waiting: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    origin_s = time.perf_counter() + 0.05

    def work() -> None:
        while (number := waiting.get()) is not None:
            try:
                call(number)
            except TrifuseError:
                next(failures)
                continue
            if due_s[number] >= warm_up_s:
                latencies.add(time.perf_counter() - origin_s - due_s[number])

    workers = min(_MOST_UNDER_WAY, len(due_s))

    def arrive() -> None:
        for number, at_s in enumerate(due_s):
            time.sleep(max(0.0, origin_s + at_s - time.perf_counter()))
            if time.perf_counter() - origin_s - at_s > _LATE_S:
                next(late)
            waiting.put(number)
        for _ in range(workers):
            waiting.put(None)

    _run([arrive, *[work] * workers])
    return Load(latencies, latencies.count / seconds, next(failures), next(late) / max(len(due_s), 1))


def throughput_at(
    call: Call, limit_ms: float, seconds: float, warm_up_s: float, highest: float
) -> tuple[float, Load | None]:
    """Find the highest rate whose p99 stays within a limit, by bisection below `highest` calls a second.

    Returns the rate and what was measured at it; 0 and None if no rate is slow enough.
    """
    low, high, best = 0.0, highest, None
    for _ in range(6):
        rate = (low + high) / 2
        found = open_loop(call, rate, seconds, warm_up_s)
        if not found.failures and found.latencies.summary_ms()["p99"] <= limit_ms:
            low, best = rate, found
        else:
            high = rate
    return low, best


def _run(tasks: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
