"""Calls of the surveillance system with windows, clips and typed results."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from trifuse.client.operations import drive, drive_asynchronous
from trifuse.client.windows import canary_item
from trifuse.systems.surveillance import calls
from trifuse.systems.surveillance.calls import Assessment
from trifuse.systems.surveillance.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from trifuse.client import Answer, AsyncTritonClient, TritonClient
    from trifuse.client.operations import Request

__all__ = ["Assessment", "AsyncSurveillanceClient", "SurveillanceClient", "Window", "canary_inputs"]


class SurveillanceClient:
    """Assesses windows and clips through a Triton client.

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

    def assess(self, window: Window) -> Assessment:
        """Assess one window."""
        return self.assess_many([window])[0]

    def assess_many(self, windows: Sequence[Window]) -> list[Assessment]:
        """Assess windows of any cameras, as many a request as the server takes."""
        return drive(calls.assess(windows), self._infer)

    def assess_clip(self, clip: bytes | Path, text: str | None = None) -> Assessment:
        """Assess a media file of one window, decoded by the server; `text` replaces its subtitles."""
        return self.assess_clips([clip], text)[0]

    def assess_clips(self, clips: Iterable[bytes | Path], text: str | None = None) -> list[Assessment]:
        """Assess media files of one window each."""
        return drive(calls.assess_clips(clips, text), self._infer)

    def _infer(self, request: Request) -> Answer:
        return self._client.infer(*request)


class AsyncSurveillanceClient:
    """Assesses windows and clips from asyncio code, as `SurveillanceClient` does."""

    def __init__(self, client: AsyncTritonClient) -> None:
        self._client = client

    async def assess(self, window: Window) -> Assessment:
        """Assess one window."""
        return (await self.assess_many([window]))[0]

    async def assess_many(self, windows: Sequence[Window]) -> list[Assessment]:
        """Assess windows of any cameras."""
        return await drive_asynchronous(calls.assess(windows), self._infer)

    async def assess_clip(self, clip: bytes | Path, text: str | None = None) -> Assessment:
        """Assess a media file of one window, decoded by the server."""
        return (await drive_asynchronous(calls.assess_clips([clip], text), self._infer))[0]

    async def _infer(self, request: Request) -> Answer:
        return await self._client.infer(*request)


def canary_inputs() -> dict[str, NDArray[np.object_]]:
    """Make one valid item for the inputs of ensembles, to probe a server with."""
    return canary_item(2.0, "请注意 attention please")
