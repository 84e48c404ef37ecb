"""Calls of one model with payloads in turn, as a user of the client library makes them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from trifuse.client import Answer, TritonClient


class Caller:
    """Sends the payloads of a model in turn; threads may share it.

    Over gRPC all threads use `triton`, over HTTP each makes a client of its own with `connect`.
    """

    def __init__(
        self,
        triton: TritonClient,
        connect: Callable[[], TritonClient],
        model: str,
        payloads: Sequence[Mapping[str, NDArray[Any]]],
    ) -> None:
        self._triton, self._connect, self._model, self.payloads = triton, connect, model, payloads
        self._threads = threading.local()

    def __call__(self, number: int) -> Answer:
        """Make the call of that number. Raises the errors of `TritonClient.infer`."""
        return self._client().infer(self._model, self.payloads[number % len(self.payloads)])

    def _client(self) -> TritonClient:
        if self._triton.endpoint.protocol == "grpc":
            return self._triton
        # Closed with its thread: a connection of this kind belongs to the thread that made it.
        if not hasattr(self._threads, "client"):
            self._threads.client = self._connect()
        client: TritonClient = self._threads.client
        return client
