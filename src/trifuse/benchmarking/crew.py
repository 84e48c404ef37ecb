"""Threads that wait for tasks: as many as are needed at once, each with what it keeps (a connection)."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

TaskT = TypeVar("TaskT")


class Crew(Generic[TaskT]):
    """Does tasks on threads of its own, at most `most` at once; one thread gives them.

    The thread that rested last is taken first, so that few threads work, and those have connected before.
    Leaving the context waits for everything that was given, and raises what a task raised first.
    """

    def __init__(self, work: Callable[[TaskT], object], most: int) -> None:
        self._work, self._most = work, most
        self._free = threading.Semaphore(most)
        self._idle: list[queue.SimpleQueue[TaskT | None]] = []
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def give(self, task: TaskT, timeout_s: float | None = None) -> bool:
        """Let a thread begin a task now; waits while all are busy, and says whether it was given in time."""
        if not self._free.acquire(timeout=timeout_s):
            return False
        inbox = self._idle.pop() if self._idle else self._hire()
        inbox.put(task)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for _ in range(self._most):
            self._free.acquire()
        for rested in self._idle:
            rested.put(None)
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _hire(self) -> queue.SimpleQueue[TaskT | None]:
        inbox: queue.SimpleQueue[TaskT | None] = queue.SimpleQueue()
        thread = threading.Thread(target=self._serve, args=(inbox,), daemon=True)
        self._threads.append(thread)
        thread.start()
        return inbox

    def _serve(self, inbox: queue.SimpleQueue[TaskT | None]) -> None:
        while (task := inbox.get()) is not None:
            try:
                self._work(task)
            except BaseException as error:  # noqa: BLE001
                self._errors.append(error)
            self._idle.append(inbox)
            self._free.release()
