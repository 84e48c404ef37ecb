"""The windows that wait for the server: a few of each camera, the oldest dropped first."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

ItemT = TypeVar("ItemT")


class Taken(NamedTuple, Generic[ItemT]):
    """Something that waited, and the camera it is of."""

    camera: str
    item: ItemT


class WaitingRoom(Generic[ItemT]):
    """Queues, at most `depth` items long, of cameras that take turns; shared by threads."""

    def __init__(self, cameras: Iterable[str], depth: int) -> None:
        self._queues: dict[str, deque[ItemT]] = {camera: deque() for camera in cameras}
        self._depth = depth
        self._changed = threading.Condition()
        self._closed = False

    def put(self, camera: str, item: ItemT) -> ItemT | None:
        """Add an item at once; returns the oldest of the camera's if that had to go."""
        with self._changed:
            queue = self._queues[camera]
            queue.append(item)
            self._changed.notify_all()
            return queue.popleft() if len(queue) > self._depth else None

    def put_patiently(self, camera: str, item: ItemT) -> None:
        """Add an item when there is room; once closed, there always is."""
        with self._changed:
            queue = self._queues[camera]
            self._changed.wait_for(lambda: len(queue) < self._depth or self._closed)
            queue.append(item)
            self._changed.notify_all()

    def take(self, most: int) -> list[Taken[ItemT]]:
        """Wait for items and take the oldest of every camera in turn; none once closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or any(self._queues.values()))
            taken: list[Taken[ItemT]] = []
            while len(taken) < most and (camera := self._next_camera()) is not None:
                taken.append(Taken(camera, self._queues[camera].popleft()))
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Say that nothing more comes; what is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next_camera(self) -> str | None:
        """Find whose turn it is: who was served goes to the end of the line."""
        camera = next((camera for camera, queue in self._queues.items() if queue), None)
        if camera is not None:
            self._queues[camera] = self._queues.pop(camera)
        return camera
