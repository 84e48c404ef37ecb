"""Clients that call a server whose versions change, and what their answers must be."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trifuse import systems
from trifuse.client import Answer, TritonClient
from trifuse.serving.canary import run_canaries
from trifuse.serving.embedded import EmbeddedTriton, free_ports

SYSTEM = "product"
CONTRACT = systems.contract(SYSTEM, "smoke")
MODELS = {CONTRACT.model_name(ensemble.name): ensemble for ensemble in CONTRACT.ensembles}
VALUES = systems.component(SYSTEM, "client").canary_inputs()
INPUTS = {
    model: {tensor.name: VALUES[tensor.name] for tensor in ensemble.inputs}
    for model, ensemble in MODELS.items()
}
STEP = 1000
THREADS = 8


def embedded(repository: Path, environment: Path) -> EmbeddedTriton:
    ports = dict(zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
    canary = lambda server: run_canaries(server.grpc_url, [CONTRACT])  # noqa: E731
    return EmbeddedTriton(repository, server_environment=environment, canary=canary, **ports)


def assert_is(version: int, model: str, answer: Answer) -> None:
    """Assert that an answer says that it is of that version, and that every part added its number."""
    assert answer.model_version == version
    assert answer.keys() == {tensor.name for tensor in MODELS[model].outputs}
    for name, value in answer.items():
        assert np.all(value // STEP == _parts_behind(name) * version)


def _parts_behind(tensor: str) -> int:
    """Count the parts that a tensor went through."""
    for part in CONTRACT.parts:
        if tensor in {output.name for output in part.outputs}:
            return 1 + sum(_parts_behind(given.name) for given in part.inputs)
    return 0


class Load:
    """Clients that call every ensemble in turn, without retries, until they are stopped.

    `answers` counts them by model, version and first numbers; an answer that mixes versions is a failure.
    """

    def __init__(self, url: str) -> None:
        self._url, self._stop, self._lock = url, threading.Event(), threading.Lock()
        self.answers: Counter[tuple[str, int, tuple[float, ...]]] = Counter()
        self.failures: list[Exception] = []
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(THREADS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, version: int) -> None:
        """Wait until every ensemble has answered with that version, after this call, or one has failed."""
        before = self._of_version(version)
        wait_until(
            lambda: (
                bool(self.failures)
                or all(self._of_version(version)[model] > before[model] for model in MODELS)
            )
        )

    def _of_version(self, version: int) -> Counter[str]:
        found: Counter[str] = Counter()
        with self._lock:
            for (model, answered, _), count in self.answers.items():
                found[model] += count * (answered == version)
        return found

    def _work(self, number: int) -> None:
        models = [*MODELS, *MODELS][number % len(MODELS) :][: len(MODELS)]
        with TritonClient(self._url, retries=0) as client:
            while not self._stop.is_set():
                for model in models:
                    try:
                        self._ask(client, model)
                    except Exception as failure:  # noqa: BLE001
                        self.failures.append(failure)

    def _ask(self, client: TritonClient, model: str) -> None:
        answer = client.infer(model, INPUTS[model])
        assert_is(answer.model_version, model, answer)
        first = tuple(float(value.ravel()[0]) for value in answer.values())
        with self._lock:
            self.answers[model, answer.model_version, first] += 1


def wait_until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
