"""Impatient clients: Triton 2.51 can crash when a gRPC inference is cancelled, so ours never cancel one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.triton.served import photo
from trifuse.client import AsyncTritonClient, TritonClient
from trifuse.errors import RequestTimeoutError
from trifuse.serving.embedded import EmbeddedTriton, free_ports
from trifuse.systems.product.client import AsyncProductClient, ProductClient

CALLS = 150
PHOTO = photo(1, size=(900, 1200))


@pytest.fixture
def server(product_artifacts: Path, server_environment: Path) -> Iterator[EmbeddedTriton]:
    """A server of its own: the other tests' server must not suffer if this one dies."""
    ports = dict(zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
    repository = product_artifacts / "model_repository"
    with EmbeddedTriton(repository, server_environment=server_environment, **ports) as server:
        yield server


def test_timeouts_leave_the_server_whole(server: EmbeddedTriton) -> None:
    timeouts = 0
    for index in range(CALLS):
        with TritonClient(server.grpc_url, timeout_s=0.001 * (1 + index % 10)) as client:
            try:
                ProductClient(client).match(PHOTO, "white")
            except RequestTimeoutError:
                timeouts += 1
    assert timeouts > CALLS / 10
    assert_whole(server)


def test_asynchronous_timeouts_and_cancelled_tasks_leave_the_server_whole(server: EmbeddedTriton) -> None:
    async def hurry(index: int) -> bool:
        async with AsyncTritonClient(server.grpc_url, timeout_s=0.001 * (1 + index % 10)) as client:
            task = asyncio.ensure_future(AsyncProductClient(client).match(PHOTO, "white"))
            try:
                await (asyncio.wait_for(task, 0.003) if index % 2 else task)
            except (RequestTimeoutError, TimeoutError):
                return True
            return False

    async def hurry_often() -> int:
        return sum([await hurry(index) for index in range(CALLS)])

    assert asyncio.run(hurry_often()) > CALLS / 10
    assert_whole(server)


def assert_whole(server: EmbeddedTriton) -> None:
    """Say that the server still answers, and that it finishes at once because nothing is in flight."""
    with TritonClient(server.grpc_url) as client:
        assert 0 <= ProductClient(client).match(PHOTO, "white").score <= 1
    assert "Signal" not in server.log()
