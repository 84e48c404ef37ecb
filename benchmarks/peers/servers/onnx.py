"""Parts as ONNX Runtime sessions with the options of the published configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnxruntime
from benchmarks.peers.servers.chain import Chain
from benchmarks.peers.servers.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.peers.servers.chain import Arrays, Part

    from trifuse.contracts import ModelSpec, SystemContract


def open_chain(threads: int | None = None) -> Chain:
    """Open the ensemble that this process's settings name, with so many threads an inference."""
    settings = Settings.read()
    count = threads or settings.threads

    def open_part(_: SystemContract, spec: ModelSpec, path: Path) -> Part:
        return _open(spec, path, count)

    return Chain(settings.repository, settings.model, open_part)


def _open(spec: ModelSpec, path: Path, threads: int) -> Part:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Idle threads that spin slow the other sessions on the same cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in spec.outputs]

    def run(arrays: Arrays) -> Arrays:
        return dict(zip(names, session.run(names, arrays), strict=True))

    return run
