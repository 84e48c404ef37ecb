"""A bounded queue with a thread that delivers, and tries again, so that telling never takes time."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from trifuse.systems.surveillance.watch.records import Record


class DeliveryError(Exception):
    """A record did not arrive; `lasting` if there is no point in trying again."""

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


@dataclass(frozen=True)
class OutboxSettings:
    """How many records wait at most, how often one is tried, and the first of the pauses, which double."""

    capacity: int = 1000
    attempts: int = 5
    first_pause_s: float = 0.5


class Outbox:
    """Delivers records in their order; when too many wait, the oldest is dropped.

    A record that is given up, after all attempts, is reported with `give_up(reason, record)`. `counts` are
    records delivered, retried, given_up and dropped.
    """

    def __init__(
        self,
        name: str,
        deliver: Callable[[Record], None],
        give_up: Callable[[str, Record], None],
        settings: OutboxSettings | None = None,
    ) -> None:
        self.name = name
        self._deliver, self._give_up = deliver, give_up
        self._settings = settings or OutboxSettings()
        self._waiting: deque[Record] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._abandoned = threading.Event()
        self.counts: Counter[str] = Counter(delivered=0, retried=0, given_up=0, dropped=0)
        self._thread = threading.Thread(target=self._work, name=f"outbox {name}", daemon=True)
        self._thread.start()

    def send(self, record: Record) -> None:
        """Have a record delivered; returns at once. After the end nothing is taken any more."""
        with self._changed:
            if self._closed:
                return
            self._waiting.append(record)
            if len(self._waiting) > self._settings.capacity:
                self._waiting.popleft()
                self.counts["dropped"] += 1
            self._changed.notify()

    def close(self, timeout_s: float) -> None:
        """Deliver what waits, within a time; what is left then counts as dropped."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._abandoned.set()
        with self._changed:
            self.counts["dropped"] += len(self._waiting) + self._thread.is_alive()
            self._waiting.clear()

    def _work(self) -> None:
        while (record := self._next()) is not None:
            self._try_repeatedly(record)

    def _next(self) -> Record | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return self._waiting.popleft() if self._waiting else None

    def _try_repeatedly(self, record: Record) -> None:
        pause_s = self._settings.first_pause_s
        for attempt in range(1, self._settings.attempts + 1):
            try:
                self._deliver(record)
            except DeliveryError as error:
                if error.lasting or attempt == self._settings.attempts or self._abandoned.is_set():
                    self.counts["given_up"] += 1
                    self._give_up(f"{self.name}: {error}, after {attempt} attempts", record)
                    return
            else:
                self.counts["delivered"] += 1
                return
            self.counts["retried"] += 1
            self._abandoned.wait(pause_s)
            pause_s *= 2
