"""The bound without a server: the same sessions and preprocessing in one process that only computes.

`python -m benchmarks.peers.servers.in_process PAYLOADS` reads one JSON object a line from standard input,
{"streams", "threads", "batch", "seconds", "warm_up_s"}, and answers each with a line: items a second, and
percentiles of a batch's latency in milliseconds. PAYLOADS is JSON with base64 values.
"""

from __future__ import annotations

import base64
import itertools
import json
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.peers.servers.onnx import open_chain

if TYPE_CHECKING:
    from benchmarks.peers.servers.chain import Chain

_PERCENTILES = (50, 90, 95, 99)


def main() -> None:
    """Answer the driver until it closes standard input."""
    items = read_items(Path(sys.argv[1]))
    for line in sys.stdin:
        found = measure(items, **json.loads(line))
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


def read_items(path: Path) -> list[dict[str, bytes]]:
    """Read payloads that the driver wrote."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [{name: base64.b64decode(value) for name, value in row.items()} for row in rows]


def measure(
    items: list[dict[str, bytes]], streams: int, threads: int, batch: int, seconds: float, warm_up_s: float
) -> dict[str, Any]:
    """Let so many streams compute batches, each one after the other, for so long."""
    chain = _chain(threads)
    begin_s = time.perf_counter() + warm_up_s
    end_s = begin_s + seconds
    numbers, latencies_ms = itertools.count(), list[float]()

    def work() -> None:
        while (started_s := time.perf_counter()) < end_s:
            first = next(numbers) * batch
            chain([items[(first + offset) % len(items)] for offset in range(batch)])
            if begin_s <= started_s and time.perf_counter() <= end_s:
                latencies_ms.append((time.perf_counter() - started_s) * 1000)

    workers = [threading.Thread(target=work) for _ in range(streams)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = {f"p{one}": float(np.percentile(latencies_ms or [0.0], one)) for one in _PERCENTILES}
    return found | {"per_second": len(latencies_ms) * batch / seconds}


@cache
def _chain(threads: int) -> Chain:
    return open_chain(threads)


if __name__ == "__main__":
    main()
