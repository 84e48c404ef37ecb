"""Exported parts run by ONNX Runtime in this process, with the options that the server uses."""

from __future__ import annotations

import statistics
import time
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, TypeVar

import onnxruntime
import torch
from rich.progress import track

from trifuse.serving.cores import available_cores, part_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract

    Arrays = dict[str, NDArray[np.generic]]

Key = TypeVar("Key", bound=Hashable)

_WARM_UP = 20


def open_session(path: Path) -> Any:
    """Open a part as the server does: as many threads as it gets there, none that spins when idle."""
    session = _open(path, available_cores())
    threads = part_threads((len(one.shape) - 1 for one in session.get_inputs()), available_cores())
    return _open(path, threads) if threads < available_cores() else session


def _open(path: Path, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Notes on initializers that an optimisation left over are of no use to anybody here.
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class OnnxModel:
    """A system's parts as callables on torch tensors, named and ordered as in the contract.

    It takes the place of the torch model where quality is measured.
    """

    device = torch.device("cpu")

    def __init__(self, contract: SystemContract, paths: Mapping[str, Path]) -> None:
        self._contract = contract
        self._sessions = {part: open_session(path) for part, path in paths.items()}

    def __getattr__(self, part: str) -> Callable[..., Any]:
        if part.startswith("_") or part not in self._sessions:
            raise AttributeError(part)
        names = [spec.name for spec in self._contract.model(part).inputs]

        def call(*tensors: torch.Tensor) -> Any:
            arrays = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
            outputs = tuple(map(torch.from_numpy, self._sessions[part].run(None, arrays)))
            return outputs if len(outputs) > 1 else outputs[0]

        return call

    def feed(self, samples: Mapping[str, NDArray[np.generic]]) -> dict[str, Arrays]:
        """Run preprocessed samples through all parts; returns what every part is given, by its name."""
        known = dict(samples)
        fed = {}
        for part in self._contract.parts:
            fed[part.name] = {spec.name: known[spec.name] for spec in part.inputs}
            outputs = self._sessions[part.name].run(None, fed[part.name])
            known |= {spec.name: array for spec, array in zip(part.outputs, outputs, strict=True)}
        return fed


def first_items(arrays: Mapping[str, NDArray[np.generic]], batch: int) -> Arrays:
    """Take the first items of a batch."""
    return {name: array[:batch] for name, array in arrays.items()}


def median_latencies_ms(calls: Mapping[Key, Callable[[], object]], repeats: int) -> dict[Key, float]:
    """Time calls in turn, so that whatever slows the machine slows all of them; the medians after warm-up.

    Before each timed call the same one is made untimed: in a server that serves one model, its weights are
    in the caches, and not those of the other models that it is compared with here.
    """
    for call in calls.values():
        for _ in range(_WARM_UP):
            call()
    times: dict[Key, list[float]] = {key: [] for key in calls}
    for _ in track(range(repeats), "timing", transient=True):
        for key, call in calls.items():
            call()
            started = time.perf_counter()
            call()
            times[key].append((time.perf_counter() - started) * 1000)
    return {key: statistics.median(values) for key, values in times.items()}
