"""Parts in the precisions that TensorRT follows, compared with their originals in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from trifuse.errors import ExportError
from trifuse.export.tensorrt_forms import FP16, FP32, INT8, PRECISIONS, name_by_content, write_form

ITEMS: NDArray[np.float32] = np.random.default_rng(0).standard_normal((16, 8)).astype(np.float32)


def tensor(name: str, size: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])


def model(nodes: list[onnx.NodeProto], weights: dict[str, NDArray[np.generic]]) -> onnx.ModelProto:
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "part", [tensor("x", 8)], [tensor("y", 4)], initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    helper.set_model_props(made, {"contract_hash": "0123"})
    return made


def write_part(path: Path, seed: int = 1) -> Path:
    """Write a part of two matrix products with an activation in between."""
    random = np.random.default_rng(seed)
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("MatMul", ["active", "second"], ["y"]),
    ]
    shapes = {"first": (8, 16), "second": (16, 4)}
    weights = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    onnx.save(model(nodes, weights), path)
    return path


def answer(source: Path | onnx.ModelProto) -> NDArray[np.float32]:
    content = source.read_bytes() if isinstance(source, Path) else source.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(None, {"x": ITEMS})[0]
    return found


def inner_names(source: Path) -> set[str]:
    graph = onnx.load(source).graph
    outside = {value.name for value in (*graph.input, *graph.output)}
    return {name for node in graph.node for name in (*node.input, *node.output) if name} - outside


def made(folder: Path, precision: str, seed: int = 1) -> Path:
    form = folder / f"{precision}-{seed}.gpu.onnx"
    write_form(write_part(folder / f"part-{seed}.onnx", seed), form, precision, {"x": ITEMS})
    return form


@pytest.mark.parametrize(("precision", "limit"), [(FP32, 1e-6), (FP16, 2e-3), (INT8, 5e-2)])
def test_a_form_computes_what_the_part_computes(tmp_path: Path, precision: str, limit: float) -> None:
    form = made(tmp_path, precision)
    expected = answer(tmp_path / "part-1.onnx")
    assert np.abs(answer(form) - expected).max() <= limit * np.abs(expected).max()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_tensors_and_metadata_are_those_of_the_part(tmp_path: Path, precision: str) -> None:
    form = onnx.load(made(tmp_path, precision))
    assert [*form.graph.input, *form.graph.output] == [tensor("x", 8), tensor("y", 4)]
    assert {entry.key: entry.value for entry in form.metadata_props} == {"contract_hash": "0123"}
    assert form.ir_version == 10


def test_only_the_form_and_the_part_are_left(tmp_path: Path) -> None:
    form = made(tmp_path, INT8)
    assert {path.name for path in tmp_path.iterdir()} == {"part-1.onnx", form.name}


def test_half_precision_weights_are_stored_in_half_precision(tmp_path: Path) -> None:
    weights = onnx.load(made(tmp_path, FP16)).graph.initializer
    assert {weight.data_type for weight in weights} == {TensorProto.FLOAT16}


def test_int8_is_explicit_signed_and_symmetric_as_tensorrt_wants_it(tmp_path: Path) -> None:
    graph = onnx.load(made(tmp_path, INT8)).graph
    weights = {weight.name: weight for weight in graph.initializer}
    quantised = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    assert len(quantised) >= 4
    for node in quantised:
        zero_point = weights[node.input[2]]
        assert zero_point.data_type == TensorProto.INT8
        assert not numpy_helper.to_array(zero_point).any()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_versions_of_a_part_share_no_name_that_an_engine_is_cached_by(tmp_path: Path, precision: str) -> None:
    first, other = (inner_names(made(tmp_path, precision, seed)) for seed in (1, 2))
    assert first == inner_names(made(tmp_path, precision, seed=1))
    assert not first & other


def test_names_within_branches_follow() -> None:
    def branch(name: str, operation: str) -> onnx.GraphProto:
        return helper.make_graph(
            [helper.make_node(operation, ["hidden"], [name])], name, [], [tensor(name, 4)]
        )

    choice = helper.make_node(
        "If", ["always"], ["y"], then_branch=branch("then", "Relu"), else_branch=branch("else", "Neg")
    )
    weights = {"weight": np.ones((8, 4), np.float32), "always": np.array(True)}
    part = model([helper.make_node("MatMul", ["x", "weight"], ["hidden"]), choice], weights)
    expected = answer(part)
    name_by_content(part)
    onnx.checker.check_model(part, full_check=True)
    np.testing.assert_array_equal(answer(part), expected)
    then = next(attribute.g for attribute in part.graph.node[1].attribute if attribute.name == "then_branch")
    assert then.node[0].input[0] == part.graph.node[0].output[0] != "hidden"


def test_an_invalid_part_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "weight"], ["y"])]
    onnx.save(model(nodes, {"weight": np.ones((3, 4), np.float32)}), tmp_path / "part.onnx")
    with pytest.raises(ExportError, match=r"the fp32 form of part\.onnx is no valid model"):
        write_form(tmp_path / "part.onnx", tmp_path / "form.onnx", FP32, {"x": ITEMS})
    assert not (tmp_path / "form.onnx").exists()
