"""The process that computes without a server, at the batch and the threads that suit it best."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, Self

from benchmarks.peers import environments
from benchmarks.peers.lines import BATCH_WAIT_MS, PEERS
from benchmarks.peers.payloads import write_payloads
from benchmarks.peers.servers.settings import Settings

from trifuse.errors import ServerError
from trifuse.serving.cores import available_cores

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.peers.payloads import Payload

_BATCHES = (1, 2, 4, 8, 16)
# The environment with ONNX Runtime and little else.
ENVIRONMENT = next(peer for peer in PEERS if peer.name == "fastapi")


class Bound:
    """The process, from the start of the block to its end; between measurements it waits for the next."""

    def __init__(self, repository: Path, model: str, folder: Path, payloads: list[Payload]) -> None:
        items = (folder / "payloads.json").resolve()
        write_payloads(payloads, items)
        settings = Settings(
            repository.resolve(), model, 0, 1, available_cores(), max(_BATCHES), BATCH_WAIT_MS
        )
        self._log = (folder / "in-process.log").open("wb")
        self._process = subprocess.Popen(  # noqa: S603
            [
                str(environments.python_of(ENVIRONMENT, folder)),
                "-m",
                "benchmarks.peers.servers.in_process",
                str(items),
            ],
            cwd=environments.ROOT,
            env=environments.variables(ENVIRONMENT, folder) | settings.variables(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._log.close()

    def measure(
        self, streams: int, threads: int, batch: int, seconds: float, warm_up_s: float
    ) -> dict[str, float]:
        """Compute batches in so many streams, and tell items a second and a batch's latency."""
        order = {"streams": streams, "threads": threads, "batch": batch}
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(json.dumps(order | {"seconds": seconds, "warm_up_s": warm_up_s}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise ServerError("the in-process bound ended by itself", hint=f"See {self._log.name!r}")
        found: dict[str, float] = json.loads(line)
        return found

    def best(self, seconds: float) -> dict[str, int]:
        """Try streams, threads and batches; returns those that compute the most items a second."""
        cores = available_cores()
        kinds = {(1, cores), (cores, 1), (cores, cores)}
        tried: dict[Any, float] = {
            (streams, threads, batch): self.measure(streams, threads, batch, seconds, seconds / 4)[
                "per_second"
            ]
            for streams, threads in sorted(kinds)
            for batch in _BATCHES
        }
        streams, threads, batch = max(tried, key=tried.__getitem__)
        return {"streams": streams, "threads": threads, "batch": batch}
