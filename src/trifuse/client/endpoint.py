"""Where a Triton server listens and what differs between tritonclient's four transports."""

from __future__ import annotations

import contextlib
import http.client
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from trifuse.errors import ConfigurationError

if TYPE_CHECKING:
    from types import ModuleType

Protocol = Literal["grpc", "http"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
DEFAULT_URLS: dict[Protocol, str] = {"grpc": "127.0.0.1:8001", "http": "127.0.0.1:8000"}

_INT32_MAX = 2**31 - 1
_GRPC_CHANNEL = [
    # gRPC's own limit of 4 MiB is less than one photo.
    ("grpc.max_send_message_length", _INT32_MAX),
    ("grpc.max_receive_message_length", _INT32_MAX),
    # gRPC waits a second before it connects again, longer than our retries take.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # The HTTP transports use no proxy either.
    ("grpc.enable_http_proxy", 0),
]


@dataclass(frozen=True)
class Endpoint:
    """The address (host:port) and the protocol of a server."""

    address: str
    protocol: Protocol

    @classmethod
    def parse(cls, url: str | None, protocol: str) -> Endpoint:
        """Read `host:port`, with or without the protocol's scheme. Raises ConfigurationError."""
        known = next((name for name in PROTOCOLS if name == protocol), None)
        if known is None:
            raise ConfigurationError(
                "there is no such protocol", got=repr(protocol), expected=f"one of {', '.join(PROTOCOLS)}"
            )
        address = (url or DEFAULT_URLS[known]).removeprefix(f"{known}://").rstrip("/")
        host, _, port = address.rpartition(":")
        if not host or "/" in host or not port.isdecimal() or int(port) > 65535:
            raise ConfigurationError(
                f"the server's {known} address is wrong",
                got=repr(url),
                expected=f"host:port, as {DEFAULT_URLS[known]}",
                hint="The protocol is chosen by itself, with --protocol" if "://" in address else None,
            )
        return cls(address, known)

    @property
    def url(self) -> str:
        """The address with its scheme, for messages."""
        return f"{self.protocol}://{self.address}"

    @property
    def json_options(self) -> dict[str, Any]:
        """Options that make a metadata call answer with plain dictionaries."""
        return {"as_json": True} if self.protocol == "grpc" else {}

    def time_options(self, timeout_s: float) -> dict[str, Any]:
        """Options that tell the server how long the client waits; Triton's HTTP has none."""
        return {"client_timeout": timeout_s} if self.protocol == "grpc" else {}

    def module(self, *, asynchronous: bool = False) -> ModuleType:
        """Import tritonclient's module of the transport."""
        return importlib.import_module(f"tritonclient.{self.protocol}" + (".aio" if asynchronous else ""))

    def connect(self, timeout_s: float) -> Any:
        """Make tritonclient's blocking client; it connects at the first call."""
        if self.protocol == "grpc":
            return self.module().InferenceServerClient(self.address, channel_args=_GRPC_CHANNEL)
        return self.module().InferenceServerClient(
            self.address, connection_timeout=timeout_s, network_timeout=timeout_s
        )

    def connect_asynchronous(self) -> Any:
        """Make tritonclient's asyncio client, inside the event loop that will use it."""
        module = self.module(asynchronous=True)
        if self.protocol == "grpc":
            return module.InferenceServerClient(self.address, channel_args=_GRPC_CHANNEL)
        # Time limits are set per call.
        return module.InferenceServerClient(self.address, conn_timeout=None)

    def time_limit(self, timeout_s: float) -> contextlib.AbstractContextManager[object]:
        """End a blocking HTTP call after `timeout_s` with a TimeoutError; gRPC does so itself."""
        if self.protocol == "grpc":
            return contextlib.nullcontext()
        limit: contextlib.AbstractContextManager[object] = importlib.import_module("gevent").Timeout(
            timeout_s, TimeoutError
        )
        return limit

    def errors(self, *, asynchronous: bool = False) -> tuple[type[Exception], ...]:
        """List what a call raises when the server refuses, does not answer or is not there."""
        from tritonclient.utils import InferenceServerException

        if self.protocol == "http" and asynchronous:
            import aiohttp

            return (InferenceServerException, OSError, aiohttp.ClientError)
        return (InferenceServerException, OSError, http.client.HTTPException)
