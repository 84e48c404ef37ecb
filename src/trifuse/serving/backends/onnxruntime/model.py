"""The ONNX Runtime backend of the embedded Triton: a stand-in for NVIDIA's C++ backend, and as strict."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils

from trifuse.errors import ConfigurationError
from trifuse.serving.onnx_config import SessionSettings, check_config, model_path, session_settings
from trifuse.serving.onnx_header import check_versions, read_header

_Arrays = dict[str, np.ndarray[Any, Any]]
_SPINNING = "session.intra_op.allow_spinning"
_GRAPH_LEVELS = {
    -1: ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    1: ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    2: ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}


class TritonPythonModel:
    """One instance of a model: one ONNX Runtime session."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model, or refuse it with a reason, which Triton reports as the load's failure."""
        config = json.loads(args["model_config"])
        path = model_path(config, Path(args["model_repository"]) / args["model_version"])
        check_versions(path, read_header(path))
        options = _session_options(session_settings(config))
        self._session = _session(path, options, args["model_instance_kind"])
        check_config(config, self._session.get_inputs(), self._session.get_outputs())
        self._batched = config["max_batch_size"] > 0
        pb_utils.Logger.log_info(f"{args['model_instance_name']}: {_describe(self._session)}")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run requests of equal shapes as one batch; answer each for itself."""
        inputs = [{tensor.name(): tensor.as_numpy() for tensor in request.inputs()} for request in requests]
        responses: dict[int, Any] = {}
        for group in self._groups(inputs):
            outputs = sorted({name for index in group for name in requests[index].requested_output_names()})
            results = self._run([inputs[index] for index in group], outputs)
            for index, result in zip(group, results, strict=True):
                responses[index] = _response(result, requests[index].requested_output_names())
        return [responses[index] for index in range(len(requests))]

    def _groups(self, inputs: list[_Arrays]) -> list[list[int]]:
        """Put the indices of the requests that can be concatenated together."""
        if len(inputs) == 1 or not self._batched:
            return [[index] for index in range(len(inputs))]
        shapes = [str(sorted((name, array.shape[1:]) for name, array in arrays.items())) for arrays in inputs]
        ordered = sorted(range(len(inputs)), key=shapes.__getitem__)
        return [list(group) for _, group in groupby(ordered, key=shapes.__getitem__)]

    def _run(self, requests: list[_Arrays], outputs: list[str]) -> list[_Arrays | Exception]:
        """Run requests at once; when that fails, one by one, so that only the culprit gets the error."""
        try:
            arrays = self._session.run(outputs, _concatenate(requests))
        except Exception as error:  # noqa: BLE001
            if len(requests) == 1:
                return [error]
            return [result for request in requests for result in self._run([request], outputs)]
        if len(requests) == 1:
            return [dict(zip(outputs, arrays, strict=True))]
        ends = np.cumsum([len(next(iter(request.values()))) for request in requests])
        parts = [np.split(array, ends[:-1]) for array in arrays]
        return [dict(zip(outputs, part, strict=True)) for part in zip(*parts, strict=True)]


def _session(path: Path, options: Any, instance_kind: str) -> Any:
    provider = "CUDAExecutionProvider" if instance_kind == "GPU" else "CPUExecutionProvider"
    session = ort.InferenceSession(path, options, providers=[provider])
    # ONNX Runtime falls back to the CPU with no more than a warning.
    if provider not in session.get_providers():
        raise ConfigurationError(
            "this server's onnxruntime cannot run a model on a GPU",
            got="KIND_GPU",
            expected="KIND_CPU",
            hint="Install onnxruntime-gpu in place of onnxruntime, or change instance_group in config.pbtxt",
        )
    return session


def _session_options(settings: SessionSettings) -> Any:
    options = ort.SessionOptions()
    options.graph_optimization_level = _GRAPH_LEVELS.get(
        settings.graph_level, ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    )
    options.execution_mode = (
        ort.ExecutionMode.ORT_PARALLEL if settings.parallel else ort.ExecutionMode.ORT_SEQUENTIAL
    )
    # As in the C++ backend, counts that are not positive leave ONNX Runtime's default.
    options.intra_op_num_threads = max(settings.intra_op_thread_count, 0)
    options.inter_op_num_threads = max(settings.inter_op_thread_count, 0)
    options.enable_cpu_mem_arena = settings.memory_arena
    options.enable_mem_pattern = settings.memory_pattern
    # Idle threads that spin slow the other sessions on the same cores up to ten times.
    options.add_session_config_entry(_SPINNING, "0")
    return options


def _describe(session: Any) -> str:
    """Say with which options the session really runs."""
    options = session.get_session_options()
    names = (
        "intra_op_num_threads",
        "inter_op_num_threads",
        "execution_mode",
        "graph_optimization_level",
        "enable_cpu_mem_arena",
        "enable_mem_pattern",
    )
    spinning = options.get_session_config_entry(_SPINNING)
    return ", ".join([*(f"{name} {getattr(options, name)}" for name in names), f"{_SPINNING} {spinning}"])


def _concatenate(requests: list[_Arrays]) -> _Arrays:
    if len(requests) == 1:
        return requests[0]
    return {name: np.concatenate([arrays[name] for arrays in requests]) for name in requests[0]}


def _response(result: _Arrays | Exception, names: list[str]) -> Any:
    if isinstance(result, Exception):
        error = pb_utils.TritonError(f"ONNX Runtime failed: {result}", pb_utils.TritonError.INTERNAL)
        return pb_utils.InferenceResponse(error=error)
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, result[name]) for name in names])
