"""What is compared: the servers, how many workers and threads each has, and how clients talk to it.

README.md says why each is configured as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Encoding = Literal["form", "json", "items", "v2", "triton-http", "triton-grpc"]

OURS, OURS_HTTP, BOUND = "Trifuse, gRPC", "Trifuse, HTTP", "in-process bound"


@dataclass(frozen=True)
class Peer:
    """One server besides Triton: its command, how clients call it, its processes and ONNX Runtime threads.

    `{port}`, `{workers}` and `{folder}` are filled in. With a `max_batch` of 1 requests stay alone. An
    `overlay` goes over this process's environment, which has torch; others have an environment of their own.
    A slow one is measured longer, with few clients.
    """

    name: str
    title: str
    command: tuple[str, ...]
    encoding: Encoding
    path: str
    health: str
    workers: int
    threads: int
    max_batch: int = 8
    overlay: bool = False
    slow: bool = False


_HOST_AND_PORT = ("--host", "127.0.0.1", "--port", "{port}")
_UVICORN = ("-m", "uvicorn", *_HOST_AND_PORT, "--workers", "{workers}")
_QUIET = ("--no-access-log", "--log-level", "warning")
_SERVERS = "benchmarks.peers.servers"

PEERS = (
    Peer(
        "reference",
        "reference: PyTorch eager + FastAPI",
        (*_UVICORN, *_QUIET, f"{_SERVERS}.reference:app"),
        encoding="form",
        path="/predict",
        health="/openapi.json",
        workers=1,
        threads=2,
        max_batch=1,
        overlay=True,
        slow=True,
    ),
    Peer(
        "fastapi",
        "FastAPI + ONNX Runtime",
        (*_UVICORN, *_QUIET, f"{_SERVERS}.fastapi_onnx:app"),
        encoding="form",
        path="/predict",
        health="/openapi.json",
        workers=2,
        threads=1,
        max_batch=1,
    ),
    Peer(
        "litserve",
        "LitServe",
        ("-m", f"{_SERVERS}.litserve_onnx"),
        encoding="json",
        path="/predict",
        health="/health",
        workers=2,
        threads=1,
    ),
    Peer(
        "bentoml",
        "BentoML",
        ("-m", "bentoml", "serve", f"{_SERVERS}.bentoml_onnx:Predictor", *_HOST_AND_PORT),
        encoding="items",
        path="/predict",
        health="/readyz",
        workers=2,
        threads=1,
    ),
    Peer(
        "mlserver",
        "MLServer",
        ("-m", "mlserver.cli.main", "start", "{folder}"),
        encoding="v2",
        path="/v2/models/predictor/infer",
        health="/v2/models/predictor/ready",
        workers=2,
        threads=1,
    ),
)
# LitServe and MLServer wait so long for company; BentoML adapts its wait by itself.
BATCH_WAIT_MS = 2.0
