"""Load on a server: so many clients one call after the other, or calls that arrive at a rate."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifuse.benchmarking.crew import Crew
from trifuse.benchmarking.latencies import Latencies
from trifuse.errors import TrifuseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Call = Callable[[int], object]

# So many calls of an open loop may be under way; those that come meanwhile wait, and count as late.
_MOST_UNDER_WAY = 256
# A call that the generator itself began later than this after it was due.
_LATE_S = 0.005


@dataclass(frozen=True)
class Load:
    """What a loop found: latencies of the calls that began in its window, answers a second in the window,
    failures and the first of them; and where the generator itself could not keep an open loop's schedule:
    the share of calls that it began late (their latency still counts from when they were due) and the number
    it never sent.
    """

    latencies: Latencies
    per_second: float
    failures: int
    late: float = 0.0
    unsent: int = 0
    first_failure: TrifuseError | None = None

    def figures(self) -> dict[str, float]:
        """List all that is a number; latencies in milliseconds."""
        known = {"calls": self.latencies.count, "per_second": self.per_second, "failures": self.failures}
        return known | {"late": self.late, "unsent": self.unsent} | self.latencies.summary_ms()


def closed_loop(call: Call, clients: int, seconds: float, warm_up_s: float) -> Load:
    """Let so many clients call, each as soon as it was answered; `call` gets a number that counts up."""
    window, numbers = _Window(time.perf_counter() + warm_up_s, seconds), itertools.count()

    def work(_: int) -> None:
        while (sent_s := time.perf_counter()) < window.end_s:
            window.count(call, next(numbers), sent_s)

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(work, range(clients)))
    return window.load()


def open_loop(
    call: Call, rate: float, seconds: float, warm_up_s: float, most_under_way: int = _MOST_UNDER_WAY
) -> Load:
    """Let calls arrive as a Poisson process of `rate` a second, however long the answers take.

    A latency counts from when its call was due, so that a server that stalls is not let off by a client that
    waits for it (coordinated omission: https://www.scylladb.com/2021/04/22/on-coordinated-omission/).
    """
    origin_s = time.perf_counter()
    window, late, unsent = _Window(origin_s + warm_up_s, seconds), itertools.count(), 0
    due_s = origin_s + arrivals(rate, warm_up_s + seconds)

    def work(number: int) -> None:
        if time.perf_counter() - due_s[number] > _LATE_S:
            next(late)
        window.count(call, number, due_s[number])

    with Crew(work, most_under_way) as crew:
        for number, at_s in enumerate(due_s):
            time.sleep(max(0.0, at_s - time.perf_counter()))
            if not crew.give(number, max(0.0, window.end_s - time.perf_counter())):
                unsent = len(due_s) - number
                break
    share = next(late) / max(len(due_s) - unsent, 1)
    return window.load(share, unsent)


def arrivals(rate: float, seconds: float, seed: int = 0) -> NDArray[np.float64]:
    """Draw when calls arrive within so many seconds: a Poisson process of `rate` a second, in order."""
    rng = np.random.default_rng(seed)
    # The number of arrivals is Poisson, and given the number they are uniform.
    count = rng.poisson(rate * seconds)
    return np.sort(rng.uniform(0, seconds, max(count, 1)))


class _Window:
    """Times calls, and counts those of a stretch of time; threads share it."""

    def __init__(self, begin_s: float, seconds: float) -> None:
        self.begin_s, self.end_s = begin_s, begin_s + seconds
        self.latencies = Latencies()
        self._seconds = seconds
        self._answered, self._failures = itertools.count(), list[TrifuseError]()

    def count(self, call: Call, number: int, due_s: float) -> None:
        """Make one call that was due at `due_s`, on the clock of `time.perf_counter`."""
        try:
            call(number)
        except TrifuseError as error:
            self._failures.append(error)
            return
        now_s = time.perf_counter()
        if self.begin_s <= due_s <= self.end_s:
            self.latencies.add(now_s - due_s)
        if self.begin_s <= now_s <= self.end_s:
            next(self._answered)

    def load(self, late: float = 0.0, unsent: int = 0) -> Load:
        """Sum up; to be asked once, when no thread calls any more."""
        per_second, first = next(self._answered) / self._seconds, next(iter(self._failures), None)
        return Load(self.latencies, per_second, len(self._failures), late, unsent, first)
