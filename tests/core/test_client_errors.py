"""Every transport tells unreachable, silent and refusing servers apart, and refuses unusable input itself."""

import asyncio
import socket
import time

import numpy as np
import pytest

from trifuse.client import AsyncTritonClient, TritonClient
from trifuse.client.encoding import bytes_tensor, text_bytes
from trifuse.errors import ConfigurationError, InputError, RequestTimeoutError, ServerUnavailableError

TEXT = {"text": bytes_tensor([b"white dress"])}
TRANSPORTS = [(protocol, kind) for protocol in ("grpc", "http") for kind in ("blocking", "asyncio")]
transports = pytest.mark.parametrize(("protocol", "kind"), TRANSPORTS)


@pytest.fixture
def closed_port():
    """Hold a port on which nobody listens: connections to it are refused."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{holder.getsockname()[1]}"


@pytest.fixture
def silent_port():
    """Accept connections and never answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def infer(kind, url, protocol, inputs, **options):
    if kind == "blocking":
        with TritonClient(url, protocol=protocol, **options) as client:
            return client.infer("product_embed_text", inputs)

    async def call():
        async with AsyncTritonClient(url, protocol=protocol, **options) as client:
            return await client.infer("product_embed_text", inputs)

    return asyncio.run(call())


@transports
def test_an_unreachable_server_is_named_with_the_remedy(protocol, kind, closed_port):
    with pytest.raises(ServerUnavailableError, match=rf"{protocol}://{closed_port}.*trifuse serve"):
        infer(kind, closed_port, protocol, TEXT)


@transports
def test_an_unreachable_server_is_tried_again_but_not_beyond_the_time_limit(protocol, kind, closed_port):
    begun = time.monotonic()
    with pytest.raises(ServerUnavailableError):
        infer(kind, closed_port, protocol, TEXT, retries=2)
    # Two pauses, the shortest of 50 and 100 ms.
    assert time.monotonic() - begun >= 0.15
    begun = time.monotonic()
    with pytest.raises(ServerUnavailableError):
        infer(kind, closed_port, protocol, TEXT, retries=1000, timeout_s=0.5)
    assert time.monotonic() - begun < 5


@transports
def test_a_silent_server_is_a_timeout(protocol, kind, silent_port):
    begun = time.monotonic()
    with pytest.raises(RequestTimeoutError, match=r"did not answer within 0.3 s"):
        infer(kind, silent_port, protocol, TEXT, timeout_s=0.3)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_readiness_of_a_server_that_is_not_there(protocol, closed_port):
    with TritonClient(closed_port, protocol=protocol) as client:
        assert not client.is_ready()
        with pytest.raises(ServerUnavailableError, match=r"within 0\.3 s"):
            client.wait_until_ready(timeout_s=0.3)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_asyncio_readiness_of_a_server_that_is_not_there(protocol, closed_port):
    async def check():
        async with AsyncTritonClient(closed_port, protocol=protocol) as client:
            assert not await client.is_ready()
            with pytest.raises(ServerUnavailableError, match=r"within 0\.3 s"):
                await client.wait_until_ready(timeout_s=0.3)

    asyncio.run(check())


def too_large():
    tensor = np.empty((17, 1), dtype=object)
    tensor.fill(bytes(2**26))
    return tensor


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({}, "no input at all"),
        ({"text": [["dress"]]}, "'text' is not an array: got list"),
        ({"text": np.array([["dress"]], dtype=object)}, "'text' holds something that is not bytes: got str"),
        ({"text": np.array([["dress"]])}, "'text' has a type that Triton does not know"),
        ({"image": too_large()}, "too large: got 1088 MiB, expected at most 1024 MiB"),
    ],
)
@transports
def test_unusable_inputs_are_refused_before_anything_is_sent(protocol, kind, closed_port, inputs, sentence):
    with pytest.raises(InputError, match=sentence):
        infer(kind, closed_port, protocol, inputs)


@pytest.mark.parametrize(
    "url", ["localhost", "https://localhost:8000", "localhost:port", ":8001", "a:1/v2", "a:99999"]
)
def test_a_wrong_address_is_a_configuration_error(url):
    with pytest.raises(ConfigurationError, match=r"host:port, as 127\.0\.0\.1:8000"):
        TritonClient(url, protocol="http")


def test_an_unknown_protocol_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="one of grpc, http"):
        TritonClient(protocol="ftp")


@pytest.mark.parametrize(
    ("protocol", "url"), [("grpc", "grpc://127.0.0.1:8001"), ("http", "http://127.0.0.1:8000")]
)
def test_the_default_address_is_this_machine(protocol, url):
    with TritonClient(protocol=protocol) as client:
        assert client.endpoint.url == url
    with TritonClient(url + "/", protocol=protocol) as client:
        assert client.endpoint.url == url


def test_undecodable_command_line_bytes_travel_unchanged():
    assert text_bytes(b"dress \xff".decode("utf-8", "surrogateescape")) == b"dress \xff"
    with pytest.raises(InputError, match="not valid Unicode"):
        text_bytes("\ud800")
