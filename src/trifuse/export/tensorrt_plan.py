"""Plans run by TensorRT in this process, where ONNX Runtime's sessions run otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from trifuse.errors import ExportError
from trifuse.export.to_tensorrt import load_tensorrt

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    from trifuse.contracts import ModelSpec

_DTYPES = {"FP32": torch.float32, "INT64": torch.int64}
_SINGLE, _BATCHES = 0, 1


class Plan:
    """A part's plan on the first GPU; `run` takes and gives what an ONNX Runtime session does.

    Larger batches than `max_batch_size` are run in several. Raises ExportError for a plan of another
    TensorRT or GPU.
    """

    def __init__(self, plan: bytes, part: ModelSpec, max_batch_size: int) -> None:
        tensorrt = load_tensorrt()
        self._part, self._max_batch_size = part, max_batch_size
        self._runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.WARNING))
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ExportError(f"TensorRT cannot load the plan of {part.name}")
        self._contexts = [self._context(profile) for profile in (_SINGLE, _BATCHES)]

    def run(self, _: None, arrays: Mapping[str, NDArray[np.generic]]) -> list[NDArray[Any]]:
        """Run a batch; returns the outputs in the contract's order."""
        count = len(next(iter(arrays.values())))
        starts = range(0, count, self._max_batch_size)
        chunks = [
            self._run({name: array[start : start + self._max_batch_size] for name, array in arrays.items()})
            for start in starts
        ]
        return [np.concatenate(outputs) for outputs in zip(*chunks, strict=True)]

    def _context(self, profile: int) -> Any:
        context = self._engine.create_execution_context()
        stream = torch.cuda.current_stream()
        context.set_optimization_profile_async(profile, stream.cuda_stream)
        stream.synchronize()
        return context

    def _run(self, arrays: Mapping[str, NDArray[np.generic]]) -> list[NDArray[Any]]:
        context = self._contexts[_SINGLE if len(next(iter(arrays.values()))) == 1 else _BATCHES]
        # They live until the stream is done: TensorRT only knows their addresses.
        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(array)).cuda() for name, array in arrays.items()
        }
        for name, tensor in tensors.items():
            self._check(context.set_input_shape(name, tuple(tensor.shape)), f"{name} {tuple(tensor.shape)}")
        for spec in self._part.outputs:
            shape = tuple(context.get_tensor_shape(spec.name))
            tensors[spec.name] = torch.empty(shape, dtype=_DTYPES[spec.dtype], device="cuda")
        for name, tensor in tensors.items():
            context.set_tensor_address(name, tensor.data_ptr())
        stream = torch.cuda.current_stream()
        self._check(context.execute_async_v3(stream.cuda_stream), "a failed execution")
        stream.synchronize()
        return [tensors[spec.name].cpu().numpy() for spec in self._part.outputs]

    def _check(self, succeeded: bool, what: str) -> None:
        if not succeeded:
            raise ExportError(f"the plan of {self._part.name} does not run", got=what)
