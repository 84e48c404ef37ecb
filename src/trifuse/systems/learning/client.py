"""Calls of the learning system with windows, clips and typed results."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from trifuse.client.operations import drive, drive_asynchronous
from trifuse.client.windows import canary_item
from trifuse.preprocessing.window import Window
from trifuse.systems.learning import calls
from trifuse.systems.learning.calls import Observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from trifuse.client import Answer, AsyncTritonClient, TritonClient
    from trifuse.client.operations import Request

__all__ = ["AsyncLearningClient", "LearningClient", "Observation", "Window", "canary_inputs"]


class LearningClient:
    """Observes windows and clips through a Triton client.

    Raises InputError and the errors of `TritonClient.infer`.
    """

    def __init__(self, client: TritonClient) -> None:
        self._client = client

    @cached_property
    def frame_shape(self) -> tuple[int, int]:
        """Tell how many frames a window has and how many pixels each side: (count, size)."""
        inputs = self._client.metadata(calls.MODEL).inputs
        count, size, *_ = next(tensor.dims for tensor in inputs if tensor.name == "frames")
        return count, size

    def observe(self, window: Window) -> Observation:
        """Observe one window."""
        return self.observe_many([window])[0]

    def observe_many(self, windows: Sequence[Window]) -> list[Observation]:
        """Observe windows of any learners, as many a request as the server takes."""
        return drive(calls.observe(windows), self._infer)

    def observe_clip(self, clip: bytes | Path, text: str | None = None) -> Observation:
        """Observe a media file of one window, decoded by the server; `text` replaces its transcript."""
        return self.observe_clips([clip], text)[0]

    def observe_clips(self, clips: Iterable[bytes | Path], text: str | None = None) -> list[Observation]:
        """Observe media files of one window each."""
        return drive(calls.observe_clips(clips, text), self._infer)

    def _infer(self, request: Request) -> Answer:
        return self._client.infer(*request)


class AsyncLearningClient:
    """Observes windows and clips from asyncio code, as `LearningClient` does."""

    def __init__(self, client: AsyncTritonClient) -> None:
        self._client = client

    async def observe(self, window: Window) -> Observation:
        """Observe one window."""
        return (await self.observe_many([window]))[0]

    async def observe_many(self, windows: Sequence[Window]) -> list[Observation]:
        """Observe windows of any learners."""
        return await drive_asynchronous(calls.observe(windows), self._infer)

    async def observe_clip(self, clip: bytes | Path, text: str | None = None) -> Observation:
        """Observe a media file of one window, decoded by the server."""
        return (await drive_asynchronous(calls.observe_clips([clip], text), self._infer))[0]

    async def _infer(self, request: Request) -> Answer:
        return await self._client.infer(*request)


def canary_inputs() -> dict[str, NDArray[np.object_]]:
    """Make one valid item for the inputs of ensembles, to probe a server with."""
    return canary_item(5.0, "请看黑板 look at the board")
