"""FastAPI + ONNX Runtime, for `uvicorn --workers N benchmarks.peers.servers.fastapi_onnx:app`."""

from __future__ import annotations

from benchmarks.peers.servers.onnx import open_chain
from benchmarks.peers.servers.settings import Settings
from benchmarks.peers.servers.web import application

from trifuse.serving.cores import available_cores

# One process decodes the next request while it computes; several do that beside each other.
app = application(open_chain, at_once=max(1, available_cores() // Settings.read().workers))
