"""Hours of use in minutes: good and bad requests from many clients, and memory that does not grow."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.triton.served import build_smoke, mixed_photos, resident_mb, texts
from trifuse.client import TritonClient
from trifuse.errors import InputError
from trifuse.serving.embedded import EmbeddedTriton, free_ports
from trifuse.serving.server_environment import default_location
from trifuse.systems.product.client import ProductClient

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
CLIENTS = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTriton]:
    repository = build_smoke(tmp_path_factory.mktemp("soak")) / "model_repository"
    ports = dict(zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
    with EmbeddedTriton(repository, server_environment=default_location(), **ports) as server:
        yield server


@pytest.mark.timeout(MINUTES * 60 + 300)
def test_nothing_fails_and_memory_stays(server: EmbeddedTriton) -> None:
    photos, words = mixed_photos(16), texts(16)
    with TritonClient(server.grpc_url) as client:
        expected = [
            match.fused for match in ProductClient(client).match_many(zip(photos, words, strict=True))
        ]
    deadline = time.monotonic() + MINUTES * 60

    def work(number: int) -> int:
        done = 0
        with TritonClient(server.grpc_url) as client:
            products, rng = ProductClient(client), np.random.default_rng(number)
            while time.monotonic() < deadline:
                index = int(rng.integers(16))
                match = products.match(photos[index], words[index])
                np.testing.assert_allclose(match.fused, expected[index], atol=2e-5)
                if done % 10 == 0:
                    with pytest.raises(InputError):
                        products.embed_image([photos[index][:60]])
                done += 1
        return done

    with ThreadPoolExecutor(CLIENTS) as pool:
        futures = [pool.submit(work, number) for number in range(CLIENTS)]
        time.sleep(MINUTES * 60 * 0.2)
        early_mb = resident_mb(server.repository)
        requests = sum(future.result() for future in futures)
    late_mb = resident_mb(server.repository)
    print(f"\n{requests} matches in {MINUTES:g} min, memory {early_mb:.0f} -> {late_mb:.0f} MB")
    assert late_mb < early_mb * 1.1 + 20
