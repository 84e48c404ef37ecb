"""Calls of the template system with windows and typed results."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from trifuse.client.operations import drive
from trifuse.client.windows import canary_item
from trifuse.preprocessing.window import Window
from trifuse.systems.template import calls
from trifuse.systems.template.calls import Judgement

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from trifuse.client import Answer, TritonClient
    from trifuse.client.operations import Request

__all__ = ["Judgement", "TemplateClient", "Window", "canary_inputs"]


class TemplateClient:
    """Judges windows through a Triton client.

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

    def judge_many(self, windows: Sequence[Window]) -> list[Judgement]:
        """Judge windows, as many a request as the server takes."""
        return drive(calls.judge(windows), self._infer)

    def _infer(self, request: Request) -> Answer:
        return self._client.infer(*request)


def canary_inputs() -> dict[str, NDArray[np.object_]]:
    """Make one valid item for the inputs of ensembles, to probe a server with."""
    return canary_item(2.0, "nothing happens")
