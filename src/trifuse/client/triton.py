"""The blocking and the asyncio client of a Triton server."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from trifuse.client import operations
from trifuse.client.endpoint import Endpoint
from trifuse.client.failures import Attempts
from trifuse.errors import ServerUnavailableError, TrifuseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from trifuse.client.encoding import Answer
    from trifuse.client.metadata import ModelMetadata

DEFAULT_TIMEOUT_S = 30.0
DEFAULT_RETRIES = 3
_POLL_S = 0.2
_PROBE_TIMEOUT_S = 2.0
_LATE_ANSWERS_S = 2.0


class TritonClient:
    """Calls the models of a Triton server and waits for the answers.

    `timeout_s` limits each call, retries included. `url` is host:port; without one the server on this
    machine is called. A gRPC client may be shared by threads; over HTTP each thread needs its own.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        protocol: str = "grpc",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: int = DEFAULT_RETRIES,
    ) -> None:
        self.endpoint = Endpoint.parse(url, protocol)
        self._timeout_s, self._retries = timeout_s, retries
        self._errors = self.endpoint.errors()
        self._connection = self.endpoint.connect(timeout_s)
        self._late: list[queue.SimpleQueue[Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, once late calls were answered or two seconds have passed."""
        deadline = time.monotonic() + _LATE_ANSWERS_S
        for answer in self._late:
            with contextlib.suppress(queue.Empty):
                answer.get(timeout=max(0.0, deadline - time.monotonic()))
        self._connection.close()

    def infer(
        self, model: str, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None
    ) -> Answer:
        """Run a model on named arrays, the batch axis first; BYTES are object arrays (batch, 1) of bytes.

        Returns the named outputs, or all, with the model's version. Raises InputError, RequestTimeoutError,
        ServerUnavailableError or RequestError.
        """
        steps = operations.infer(self.endpoint, self.endpoint.module(), model, inputs, outputs)
        return operations.drive(steps, self._perform)

    def metadata(self, model: str) -> ModelMetadata:
        """Ask what a model takes and gives. Raises InputError for a model that is not served."""
        return operations.drive(operations.metadata(self.endpoint, model), self._perform)

    def statistics(self, model: str) -> dict[str, Any]:
        """Read what the server counts of a model since it started, as Triton's statistics extension says."""
        found: dict[str, Any] = self._perform(
            operations.Call("get_inference_statistics", (model,), self.endpoint.json_options)
        )
        return found

    def is_ready(self) -> bool:
        """Say whether the server answers and every model is loaded."""
        probe = operations.Call("is_server_ready")
        try:
            return bool(self._attempt(probe, Attempts(self.endpoint, _PROBE_TIMEOUT_S, retries=0)))
        except TrifuseError:
            return False

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait for the server. Raises ServerUnavailableError when it is not ready in time."""
        deadline = time.monotonic() + timeout_s
        while not self.is_ready():
            if time.monotonic() + _POLL_S > deadline:
                raise not_ready(self.endpoint, timeout_s)
            time.sleep(_POLL_S)

    def _perform(self, call: operations.Call) -> Any:
        return self._attempt(call, Attempts(self.endpoint, self._timeout_s, self._retries))

    def _attempt(self, call: operations.Call, attempts: Attempts) -> Any:
        if call.method == "infer" and self.endpoint.protocol == "grpc":
            method = self._infer_to_the_end
        else:
            method = getattr(self._connection, call.method)
        while True:
            remaining_s = attempts.remaining_s()
            try:
                with self.endpoint.time_limit(remaining_s):
                    return method(*call.arguments, **call.options, **self.endpoint.time_options(remaining_s))
            except self._errors as error:
                time.sleep(attempts.pause_after(error))

    def _infer_to_the_end(self, *arguments: Any, client_timeout: float, **options: Any) -> Any:
        """Wait for an inference without telling the server how long: a cancelled one can crash Triton 2.51.

        Raises TimeoutError; the server finishes the inference all the same.
        """
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._connection.async_infer(
            *arguments, callback=lambda result, error: answer.put((result, error)), **options
        )
        try:
            result, error = answer.get(timeout=client_timeout)
        except queue.Empty:
            self._late = [*(late for late in self._late if late.empty()), answer]
            raise TimeoutError from None
        if error:
            raise error
        return result


class AsyncTritonClient:
    """Calls the models of a Triton server from asyncio code; `TritonClient` tells the arguments.

    Belongs to the event loop that uses it first.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        protocol: str = "grpc",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: int = DEFAULT_RETRIES,
    ) -> None:
        self.endpoint = Endpoint.parse(url, protocol)
        self._timeout_s, self._retries = timeout_s, retries
        self._errors = self.endpoint.errors(asynchronous=True)
        self._late: set[asyncio.Future[Any]] = set()

    @cached_property
    def _connection(self) -> Any:
        return self.endpoint.connect_asynchronous()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, as `TritonClient.close` does."""
        if self._late:
            await asyncio.wait(self._late, timeout=_LATE_ANSWERS_S)
        await self._connection.close()

    async def infer(
        self, model: str, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None
    ) -> Answer:
        """Run a model on named arrays, as `TritonClient.infer` does, with the same errors."""
        module = self.endpoint.module(asynchronous=True)
        steps = operations.infer(self.endpoint, module, model, inputs, outputs)
        return await operations.drive_asynchronous(steps, self._perform)

    async def metadata(self, model: str) -> ModelMetadata:
        """Ask what a model takes and gives. Raises InputError for a model that is not served."""
        return await operations.drive_asynchronous(operations.metadata(self.endpoint, model), self._perform)

    async def is_ready(self) -> bool:
        """Say whether the server answers and every model is loaded."""
        probe = operations.Call("is_server_ready")
        try:
            return bool(await self._attempt(probe, Attempts(self.endpoint, _PROBE_TIMEOUT_S, retries=0)))
        except TrifuseError:
            return False

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Wait for the server. Raises ServerUnavailableError when it is not ready in time."""
        deadline = time.monotonic() + timeout_s
        while not await self.is_ready():
            if time.monotonic() + _POLL_S > deadline:
                raise not_ready(self.endpoint, timeout_s)
            await asyncio.sleep(_POLL_S)

    async def _perform(self, call: operations.Call) -> Any:
        return await self._attempt(call, Attempts(self.endpoint, self._timeout_s, self._retries))

    async def _attempt(self, call: operations.Call, attempts: Attempts) -> Any:
        if call.method == "infer" and self.endpoint.protocol == "grpc":
            method = self._infer_to_the_end
        else:
            method = getattr(self._connection, call.method)
        while True:
            remaining_s = attempts.remaining_s()
            options = call.options | self.endpoint.time_options(remaining_s)
            try:
                async with asyncio.timeout(remaining_s):
                    return await method(*call.arguments, **options)
            except self._errors as error:
                await asyncio.sleep(attempts.pause_after(error))

    async def _infer_to_the_end(self, *arguments: Any, client_timeout: float, **options: Any) -> Any:
        """Wait for an inference that neither a deadline nor a cancelled task ends, as `TritonClient` does."""
        call = asyncio.ensure_future(self._connection.infer(*arguments, **options))
        self._late.add(call)
        call.add_done_callback(self._late.discard)
        call.add_done_callback(lambda done: done.cancelled() or done.exception())
        async with asyncio.timeout(client_timeout):
            return await asyncio.shield(call)


def not_ready(endpoint: Endpoint, waited_s: float) -> ServerUnavailableError:
    """Say that a server did not become ready."""
    return ServerUnavailableError(
        f"no server became ready at {endpoint.url} within {waited_s:g} s",
        hint="Start one with `trifuse serve`, or give the address of another",
    )
