"""Exports whose parts add a number to what they are given: a mixture of two versions shows in the answer."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from trifuse.artifacts import Manifest, write_manifest
from trifuse.contracts import ModelSpec, SystemContract
from trifuse.preprocessing.text import train_wordpiece

_TYPES = {"FP32": TensorProto.FLOAT, "INT64": TensorProto.INT64}


def write_adding_export(
    folder: Path, contract: SystemContract, value: float, *, fault: str = "", words: int = 0
) -> Path:
    """Write an export whose parts answer with `value` plus the largest number of each input.

    `words` more words in the vocabulary change the preprocessing. The last part has the `fault`: it "cannot
    load", or it "cannot infer".
    """
    (folder / "assets").mkdir(parents=True)
    corpus = ["红色 red", "白色 white", *(f"{chr(ord('a') + word)}" * 3 for word in range(words))]
    train_wordpiece(corpus, 200).save(str(folder / "assets" / "tokenizer.json"))
    for part in contract.parts:
        graph = _graph(part, value, fault if part is contract.parts[-1] else "")
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        helper.set_model_props(model, {"contract_hash": contract.hash})
        onnx.save(model, folder / f"{part.name}.onnx")
    write_manifest(folder, Manifest(contract.system, "export", contract.profile, contract.hash))
    return folder


def _graph(part: ModelSpec, value: float, fault: str) -> onnx.GraphProto:
    constants = [
        helper.make_tensor("value", TensorProto.FLOAT, [1], [value]),
        helper.make_tensor("column", TensorProto.INT64, [2], [-1, 1]),
    ]
    nodes, terms = [], ["value"]
    for tensor in part.inputs:
        axes, term = f"{tensor.name}_axes", f"{tensor.name}_largest"
        constants.append(
            helper.make_tensor(axes, TensorProto.INT64, [len(tensor.dims)], range(1, len(tensor.dims) + 1))
        )
        nodes += [
            helper.make_node("Cast", [tensor.name], [f"{term}_cast"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMax", [f"{term}_cast", axes], [f"{term}_kept"]),
            helper.make_node("Reshape", [f"{term}_kept", "column"], [term]),
        ]
        terms.append(term)
    first = part.inputs[0].name
    nodes += [
        helper.make_node("Shape", [first], ["batch"], start=0, end=1),
        helper.make_node("Shape", [first], ["length"], start=1, end=2),
        *_fault(fault),
    ]
    nodes.append(helper.make_node("Sum", [*terms, *(["fault"] if fault else [])], ["total"]))
    for tensor in part.outputs:
        rank = len(tensor.dims) + 1
        sizes = ["length" if size == -1 else f"{tensor.name}_size_{size}" for size in tensor.dims]
        constants += [
            helper.make_tensor(f"{tensor.name}_size_{size}", TensorProto.INT64, [1], [size])
            for size in {*tensor.dims} - {-1}
        ]
        constants.append(
            helper.make_tensor(f"{tensor.name}_rank", TensorProto.INT64, [rank], [-1] + [1] * (rank - 1))
        )
        nodes += [
            helper.make_node("Concat", ["batch", *sizes], [f"{tensor.name}_shape"], axis=0),
            helper.make_node("Reshape", ["total", f"{tensor.name}_rank"], [f"{tensor.name}_flat"]),
            helper.make_node("Expand", [f"{tensor.name}_flat", f"{tensor.name}_shape"], [tensor.name]),
        ]
    tensors = ([_value(tensor) for tensor in tensors] for tensors in (part.inputs, part.outputs))
    return helper.make_graph(nodes, part.name, *tensors, constants)


def _fault(fault: str) -> list[onnx.NodeProto]:
    if fault == "cannot load":
        return [helper.make_node("NoSuchOperator", ["value"], ["fault"])]
    # The one value has index 0 alone, and a batch has at least one item.
    return [helper.make_node("Gather", ["value", "batch"], ["fault"])] if fault else []


def _value(tensor: object) -> onnx.ValueInfoProto:
    dims = ["batch", *("length" if size == -1 else size for size in tensor.dims)]
    return helper.make_tensor_value_info(tensor.name, _TYPES[tensor.dtype], dims)
