"""The stand-in for NVIDIA's ONNX Runtime backend: what it refuses, what it honours, how it batches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from trifuse.serving.embedded import EmbeddedTriton, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Shape = list[int | str]


class Server:
    """A running server into whose repository a test writes its probe model."""

    def __init__(self, triton: EmbeddedTriton, client: InferenceServerClient) -> None:
        self.triton, self.client = triton, client

    def load(
        self, name: str, model: onnx.ModelProto | bytes, config: str, filename: str = "model.onnx"
    ) -> str:
        """Load a probe and return what the server logged meanwhile."""
        logged = len(self.triton.log())
        write_model(self.triton.repository, name, model, config, filename)
        self.client.load_model(name)
        return self.triton.log()[logged:]

    def infer(self, name: str, outputs: list[str] | None = None, **arrays: np.ndarray) -> Any:
        inputs = []
        for tensor, array in arrays.items():
            inputs.append(InferInput(tensor, array.shape, np_to_triton_dtype(array.dtype)))
            inputs[-1].set_data_from_numpy(array)
        requested = [InferRequestedOutput(output) for output in outputs] if outputs else None
        return self.client.infer(name, inputs, outputs=requested, client_timeout=30)


def write_model(
    repository: Path, name: str, model: onnx.ModelProto | bytes, config: str, filename: str = "model.onnx"
) -> None:
    version = repository / name / "1"
    version.mkdir(parents=True)
    content = model if isinstance(model, bytes) else model.SerializeToString()
    (version / filename).write_bytes(content)
    (repository / name / "config.pbtxt").write_text(config)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, server_environment: Path) -> Iterator[Server]:
    repository = tmp_path_factory.mktemp("probes")
    write_model(repository, "first", doubling(), config())
    http, grpc, metrics = free_ports(3)
    triton = EmbeddedTriton(
        repository,
        server_environment=server_environment,
        http_port=http,
        grpc_port=grpc,
        metrics_port=metrics,
    )
    with triton, InferenceServerClient(triton.grpc_url) as client:
        yield Server(triton, client)


def doubling(
    *,
    ir_version: int = 10,
    opset: int = 21,
    dtype: int = TensorProto.FLOAT,
    inputs: tuple[str, ...] = ("x",),
    shape: Shape | None = None,
    factor: int = 2,
) -> onnx.ModelProto:
    """A model that gives y = factor · x and z = −x."""
    shape = shape or ["batch", 4]
    constant = helper.make_tensor("factor", dtype, [1], [factor])
    nodes = [helper.make_node("Mul", ["x", "factor"], ["y"]), helper.make_node("Neg", ["x"], ["z"])]
    graph = helper.make_graph(
        nodes,
        "doubling",
        [helper.make_tensor_value_info(name, dtype, shape) for name in inputs],
        [helper.make_tensor_value_info(name, dtype, shape) for name in ("y", "z")],
        [constant],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def config(
    *,
    max_batch_size: int = 8,
    x: str = 'name: "x" data_type: TYPE_FP32 dims: [4]',
    y: str = 'name: "y" data_type: TYPE_FP32 dims: [4]',
    kind: str = "KIND_CPU",
    more: str = "",
    **parameters: str,
) -> str:
    entries = "".join(
        f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n'
        for key, value in parameters.items()
    )
    return f"""
        backend: "onnxruntime"
        max_batch_size: {max_batch_size}
        input {{ {x} }}
        output {{ {y} }}
        instance_group {{ kind: {kind} count: 1 }}
        {entries} {more}
    """


REFUSED = {
    "ir_version": (doubling(ir_version=11), config(), "IR version is too new for the server: got 11"),
    "opset": (doubling(opset=22), config(), "opset of domain 'ai.onnx' is too new for the server: got 22"),
    "not_onnx": (b"not a model", config(), "is not a"),
    "cut_off": (doubling().SerializeToString()[:-20], config(), "is not a complete ONNX model"),
    "input_name": (
        doubling(),
        config(x='name: "u" data_type: TYPE_FP32 dims: [4]'),
        "the model has no input 'u'",
    ),
    "output_name": (
        doubling(),
        config(y='name: "u" data_type: TYPE_FP32 dims: [4]'),
        "the model has no output 'u'",
    ),
    "input_count": (doubling(inputs=("x", "w")), config(), "another number of inputs than the model"),
    "input_type": (doubling(dtype=TensorProto.DOUBLE), config(), "input 'x' has another data type"),
    "output_type": (
        doubling(),
        config(y='name: "y" data_type: TYPE_FP64 dims: [4]'),
        "output 'y' has another data type",
    ),
    "input_dim": (
        doubling(),
        config(x='name: "x" data_type: TYPE_FP32 dims: [5]'),
        "input 'x' has another shape",
    ),
    "output_dim": (
        doubling(),
        config(y='name: "y" data_type: TYPE_FP32 dims: [5]'),
        "output 'y' has another shape",
    ),
    "rank": (
        doubling(),
        config(x='name: "x" data_type: TYPE_FP32 dims: [2, 2]'),
        "input 'x' has another shape",
    ),
    "input_wildcard": (
        doubling(),
        config(x='name: "x" data_type: TYPE_FP32 dims: [-1]'),
        "input 'x' has another shape",
    ),
    "output_wildcard": (
        doubling(),
        config(y='name: "y" data_type: TYPE_FP32 dims: [-1]'),
        "output 'y' has another shape",
    ),
    "output_fixed": (doubling(shape=["batch", "length"]), config(), "output 'y' has another shape"),
    "fixed_batch": (doubling(shape=[1, 4]), config(), "no batch axis that varies"),
    "optional_input": (
        doubling(),
        config(x='name: "x" data_type: TYPE_FP32 dims: [4] optional: true'),
        "cannot be optional",
    ),
    "intra_op_thread_count": (
        doubling(),
        config(intra_op_thread_count="many"),
        "intra_op_thread_count has a bad",
    ),
    "inter_op_thread_count": (
        doubling(),
        config(inter_op_thread_count="1.5"),
        "inter_op_thread_count has a bad",
    ),
    "execution_mode_value": (doubling(), config(execution_mode="2"), "execution_mode has a bad value"),
    "execution_mode_word": (doubling(), config(execution_mode="parallel"), "execution_mode has a bad value"),
    "enable_mem_arena": (doubling(), config(enable_mem_arena="maybe"), "enable_mem_arena has a bad value"),
    "enable_mem_pattern": (
        doubling(),
        config(enable_mem_pattern="maybe"),
        "enable_mem_pattern has a bad value",
    ),
    "gpu": (doubling(), config(kind="KIND_GPU"), "GPU"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_what_the_cpp_backend_refuses(server: Server, case: str) -> None:
    model, configuration, reason = REFUSED[case]
    with pytest.raises(InferenceServerException) as failure:
        server.load(f"refused_{case}", model, configuration)
    assert reason in str(failure.value)


def test_refuses_a_missing_model_file(server: Server) -> None:
    with pytest.raises(InferenceServerException, match="model file is missing"):
        server.load("misnamed", doubling(), config(), filename="other.onnx")


HONOURED = {
    "intra_op_thread_count": ({"intra_op_thread_count": "3"}, "intra_op_num_threads 3"),
    "inter_op_thread_count": ({"inter_op_thread_count": "2"}, "inter_op_num_threads 2"),
    "execution_mode": ({"execution_mode": "1"}, "ORT_PARALLEL"),
    "enable_mem_arena": ({"enable_mem_arena": "OFF"}, "enable_cpu_mem_arena False"),
    "enable_mem_pattern": ({"enable_mem_pattern": "0"}, "enable_mem_pattern False"),
    "level_basic": ({"more": "optimization { graph { level: -1 } }"}, "ORT_ENABLE_BASIC"),
    "level_extended": ({"more": "optimization { graph { level: 1 } }"}, "ORT_ENABLE_EXTENDED"),
    "level_off": ({"more": "optimization { graph { level: 2 } }"}, "ORT_DISABLE_ALL"),
    "level_all": ({}, "ORT_ENABLE_ALL"),
    "no_spinning": ({}, "session.intra_op.allow_spinning 0"),
}


@pytest.mark.parametrize("case", HONOURED)
def test_runs_its_session_with_the_configured_options(server: Server, case: str) -> None:
    changes, option = HONOURED[case]
    log = server.load(f"honoured_{case}", doubling(), config(**changes))
    assert option in next(line for line in log.splitlines() if "intra_op_num_threads" in line)
    answer = server.infer(f"honoured_{case}", x=np.ones((2, 4), np.float32))
    np.testing.assert_array_equal(answer.as_numpy("y"), np.full((2, 4), 2, np.float32))


def test_honours_the_model_file_name(server: Server) -> None:
    named = config(more='default_model_filename: "other.onnx"')
    server.load("named", doubling(factor=7), named, filename="other.onnx")
    assert server.infer("named", x=np.ones((1, 4), np.float32)).as_numpy("y")[0, 0] == 7


def test_accepts_a_configuration_that_narrows_an_input(server: Server) -> None:
    narrow = config(y='name: "y" data_type: TYPE_FP32 dims: [-1]')
    server.load("narrow", doubling(shape=["batch", "length"]), narrow)
    with pytest.raises(InferenceServerException, match="unexpected shape"):
        server.infer("narrow", x=np.ones((1, 5), np.float32))


def test_serves_a_model_without_batching(server: Server) -> None:
    server.load("single", doubling(shape=[4]), config(max_batch_size=0))
    answer = server.infer("single", x=np.arange(4, dtype=np.float32))
    np.testing.assert_array_equal(answer.as_numpy("y"), [0, 2, 4, 6])


def test_gives_only_the_requested_outputs(server: Server) -> None:
    both = config(more='output { name: "z" data_type: TYPE_FP32 dims: [4] }')
    server.load("both", doubling(), both)
    answer = server.infer("both", ["z"], x=np.ones((1, 4), np.float32))
    assert [output.name for output in answer.get_response().outputs] == ["z"]
    assert answer.as_numpy("z")[0, 0] == -1


def batching(size: int) -> str:
    return f"dynamic_batching {{ preferred_batch_size: [{size}] max_queue_delay_microseconds: 10000000 }}"


def test_runs_the_requests_of_a_dynamic_batch_as_one(server: Server) -> None:
    # Each row of y is the number of rows that ran together with it.
    nodes = [
        helper.make_node("Shape", ["x"], ["size"], start=0, end=1),
        helper.make_node("Cast", ["size"], ["size_float"], to=TensorProto.FLOAT),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Expand", ["size_float", "shape"], ["y"]),
    ]
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "sizes", tensors[:1], tensors[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    server.load("sizes", model, config(more=batching(6)))
    rows = [np.ones((count, 4), np.float32) for count in (1, 2, 3)]
    with ThreadPoolExecutor(len(rows)) as pool:
        answers = list(pool.map(lambda row: server.infer("sizes", x=row).as_numpy("y"), rows))
    assert [answer.shape for answer in answers] == [(1, 4), (2, 4), (3, 4)]
    assert all((answer == 6).all() for answer in answers)


def test_a_request_that_fails_fails_alone(server: Server) -> None:
    table = helper.make_tensor("table", TensorProto.FLOAT, [3], [10, 20, 30])
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "x"], ["y"])],
        "lookup",
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["batch", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])],
        [table],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    x, y = 'name: "x" data_type: TYPE_INT64 dims: [1]', 'name: "y" data_type: TYPE_FP32 dims: [1]'
    server.load("lookup", model, config(x=x, y=y, more=batching(4)))

    def look_up(index: int) -> float | str:
        try:
            return float(server.infer("lookup", x=np.array([[index]])).as_numpy("y")[0, 0])
        except InferenceServerException as error:
            return str(error.message())

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(look_up, [0, 99, 2, 1]))
    assert [answers[0], answers[2], answers[3]] == [10, 30, 20]
    assert "ONNX Runtime failed" in str(answers[1])
    assert "idx=99" in str(answers[1])


def test_requests_of_different_shapes_get_their_own_answers(server: Server) -> None:
    varying = {
        "x": 'name: "x" data_type: TYPE_FP32 dims: [-1]',
        "y": 'name: "y" data_type: TYPE_FP32 dims: [-1]',
    }
    server.load("varying", doubling(shape=["batch", "length"]), config(**varying, more="dynamic_batching {}"))
    arrays = [np.full((1 + index % 3, 2 + index % 4), index, np.float32) for index in range(24)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda array: server.infer("varying", x=array).as_numpy("y"), arrays))
    for array, answer in zip(arrays, answers, strict=True):
        np.testing.assert_array_equal(answer, 2 * array)
