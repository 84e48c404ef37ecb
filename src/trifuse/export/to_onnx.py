"""Export the parts of a system to ONNX, within what Triton's ONNX Runtime 1.19 reads."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import onnx
import torch

from trifuse.errors import ExportError
from trifuse.serving.onnx_header import MAXIMUM_OPSETS, check_versions, read_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

    from trifuse.contracts import ModelSpec, SystemContract, TensorSpec

OPSET = MAXIMUM_OPSETS[""]

_DTYPES: dict[int, str] = {onnx.TensorProto.FLOAT: "FP32", onnx.TensorProto.INT64: "INT64"}


def export_part(
    module: nn.Module, part: ModelSpec, example: dict[str, Tensor], path: Path, contract: SystemContract
) -> None:
    """Write one part as ONNX with the contract's names and hash.

    `example` needs a batch of at least 2: the exporter would take a batch of 1 for a constant.
    A module that is served in another form than it is trained in gives that by `for_export`. Raises
    ExportError when the file's tensors differ from the contract.
    """
    # What the exporter warns of are its own deprecations and missed optimisations; the checks below decide.
    logging.getLogger("onnxscript.optimizer").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _served_form(module.eval()),
            tuple(example.values()),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=[spec.name for spec in part.inputs],
            output_names=[spec.name for spec in part.outputs],
            dynamic_shapes=[_dynamic_axes(spec) for spec in part.inputs],
            verbose=False,
        )
    if program is None:
        raise ExportError(f"torch exported nothing for {part.name}")
    proto = program.model_proto
    onnx.helper.set_model_props(
        proto, {"contract_hash": contract.hash, "system": contract.system, "part": part.name}
    )
    onnx.checker.check_model(proto, full_check=True)
    _check_tensors(proto, part)
    onnx.save(proto, path)
    check_versions(path, read_header(path))


def _served_form(module: nn.Module) -> nn.Module:
    for_export: Callable[[], nn.Module] | None = getattr(module, "for_export", None)
    return for_export() if for_export else module


def _dynamic_axes(spec: TensorSpec) -> dict[int, Any]:
    axes = {0: torch.export.Dim.DYNAMIC}
    return axes | {axis: torch.export.Dim.DYNAMIC for axis, dim in enumerate(spec.dims, 1) if dim == -1}


def _check_tensors(proto: onnx.ModelProto, part: ModelSpec) -> None:
    for specs, values in ((part.inputs, proto.graph.input), (part.outputs, proto.graph.output)):
        expected = [f"{spec.name} {spec.dtype} {[-1, *spec.dims]}" for spec in specs]
        found = [_describe(value) for value in values]
        if found != expected:
            raise ExportError(
                f"the ONNX file of {part.name} breaks the contract", got=found, expected=expected
            )


def _describe(value: onnx.ValueInfoProto) -> str:
    tensor = value.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim]
    return f"{value.name} {_DTYPES.get(tensor.elem_type, str(tensor.elem_type))} {dims}"
