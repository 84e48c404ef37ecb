"""int8 variants of an ONNX part, made by ONNX Runtime's quantiser."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

FLOAT, DYNAMIC, STATIC = "fp32", "dynamic int8", "static int8"
_CONVOLUTIONS, _PRODUCTS = {"Conv", "ConvTranspose"}, {"MatMul", "Gemm", "LSTM"}
_CALIBRATION_BATCH = 8


def variants(source: Path, samples: Mapping[str, NDArray[np.generic]], folder: Path) -> dict[str, Path]:
    """Write the int8 variants that suit a part; returns their files by name, the original's first.

    Parts with convolutions are quantised statically as QDQ pairs, calibrated on `samples` (items, …) by input
    name; others dynamically, and their matrix products statically as well. Weights are per channel and of
    7 bits, which costs nothing and does not overflow on processors without VNNI.
    """
    kinds = {node.op_type for node in onnx.load(source).graph.node}
    made = {FLOAT: source}
    if not kinds & (_CONVOLUTIONS | _PRODUCTS):
        return made
    folder.mkdir(parents=True, exist_ok=True)
    logging.getLogger().setLevel(logging.ERROR)
    # Constants are folded first: what is an initializer only after that would stay in float.
    prepared = folder / "prepared.onnx"
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    if not kinds & _CONVOLUTIONS:
        made[DYNAMIC] = folder / "dynamic.onnx"
        quantize_dynamic(prepared, made[DYNAMIC], **_weights())
    if "LSTM" not in kinds:
        made[STATIC] = folder / "static.onnx"
        quantize_static(
            prepared,
            made[STATIC],
            _Reader(samples),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            # Attention masks add minus infinity, which has no scale: without convolutions only products.
            op_types_to_quantize=None if kinds & _CONVOLUTIONS else ["MatMul", "Gemm"],
            **_weights(),
        )
    for path in made.values():
        # The original is another stage's file.
        if path != source:
            _finish(path, source)
    return made


def _weights() -> dict[str, Any]:
    return {"weight_type": QuantType.QInt8, "per_channel": True, "reduce_range": True}


def _finish(path: Path, source: Path) -> None:
    """Give a variant the metadata of its source, and only the operator domains that it uses."""
    model = onnx.load(path)
    used = {node.domain for node in _nodes(model.graph)}
    opsets = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    metadata = {entry.key: entry.value for entry in onnx.load(source).metadata_props}
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, path)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands out samples in batches."""

    def __init__(self, samples: Mapping[str, NDArray[np.generic]]) -> None:
        count = len(next(iter(samples.values())))
        self._batches = iter(
            {name: array[start : start + _CALIBRATION_BATCH] for name, array in samples.items()}
            for start in range(0, count, _CALIBRATION_BATCH)
        )

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        """Give the next batch, or None after the last."""
        return next(self._batches, None)
