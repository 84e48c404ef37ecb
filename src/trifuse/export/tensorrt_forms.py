"""Forms of an exported part for GPUs: ONNX files whose types TensorRT 11 follows, for it chooses none itself.

Source: https://docs.nvidia.com/deeplearning/tensorrt/latest/api/migration/ (strong typing, explicit Q/DQ).
"""

from __future__ import annotations

import hashlib
import warnings
from typing import TYPE_CHECKING

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel as GraphEditor

from trifuse.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

FP32, FP16, INT8 = "fp32", "fp16", "int8"
PRECISIONS = (FP32, FP16, INT8)
_QUANTISED = ["Conv", "ConvTranspose", "MatMul", "Gemm"]
_DIGEST_LENGTH = 12


def write_form(
    source: Path, target: Path, precision: str, samples: Mapping[str, NDArray[np.generic]]
) -> None:
    """Write a part in a precision; inputs, outputs and metadata stay as they are.

    `fp16` computes in half precision; `int8` quantises convolutions and matrix products, calibrated on
    `samples` (items, …) by input name, and leaves the rest in single precision. Raises ExportError when the
    result is no valid model.
    """
    model = onnx.load(source)
    if precision == FP16:
        model = _half(model)
    elif precision == INT8:
        model = _quantised(source, target, samples)
    onnx.helper.set_model_props(model, {entry.key: entry.value for entry in onnx.load(source).metadata_props})
    name_by_content(model)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the {precision} form of {source.name} is no valid model", got=error) from error
    onnx.save(model, target)


def name_by_content(model: onnx.ModelProto) -> None:
    """Let the names of all inner values and weights end with a digest of the model.

    ONNX Runtime's TensorRT provider finds a cached engine by these names and not by the weights, so that of
    two versions of a part the second would be answered by the engine of the first.
    Source: https://github.com/microsoft/onnxruntime/issues/6455.
    """
    digest = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()[:_DIGEST_LENGTH]
    outside = {value.name for value in (*model.graph.input, *model.graph.output)}
    _rename(model.graph, f"@{digest}", outside)
    # Types of values under their former names; the checker infers them anew.
    del model.graph.value_info[:]


def _rename(graph: onnx.GraphProto, ending: str, outside: set[str]) -> None:
    def renamed(name: str) -> str:
        return name + ending if name and name not in outside else name

    for weight in graph.initializer:
        weight.name = renamed(weight.name)
    for value in (*graph.input, *graph.output):
        value.name = renamed(value.name)
    for node in graph.node:
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                _rename(inner, ending, outside)


def _half(model: onnx.ModelProto) -> onnx.ModelProto:
    with warnings.catch_warnings():
        # Weights too small for half precision become the smallest that there are.
        warnings.simplefilter("ignore")
        editor = GraphEditor(convert_float_to_float16(model, keep_io_types=True))
    # The converter puts its casts of the inputs last.
    editor.topological_sort()
    # Some values keep the type that they had before.
    del editor.model.graph.value_info[:]
    half: onnx.ModelProto = editor.model
    return half


def _quantised(source: Path, target: Path, samples: Mapping[str, NDArray[np.generic]]) -> onnx.ModelProto:
    """Insert explicit Q/DQ pairs as TensorRT wants them: signed, with zero as zero point, not over biases."""
    prepared, written = (target.with_suffix(f".{step}") for step in ("prepared", "quantised"))
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        prepared,
        written,
        _Items(samples),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=_QUANTISED,
        extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
    )
    model = onnx.load(written)
    for path in (prepared, written):
        path.unlink()
    return model


class _Items(CalibrationDataReader):  # type: ignore[misc]
    """Hands out samples one by one."""

    def __init__(self, samples: Mapping[str, NDArray[np.generic]]) -> None:
        count = len(next(iter(samples.values())))
        self._items = ({name: array[[index]] for name, array in samples.items()} for index in range(count))

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        """Give the next item, or None after the last."""
        return next(self._items, None)
