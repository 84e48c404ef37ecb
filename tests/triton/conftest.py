"""The server environment, and stand-ins for exported systems that need no training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest
from onnx import TensorProto, helper

from tests.triton.served import build_smoke
from trifuse.artifacts import Manifest, write_manifest
from trifuse.preprocessing.text import train_wordpiece
from trifuse.serving.canary import run_canaries
from trifuse.serving.embedded import EmbeddedTriton, free_ports
from trifuse.serving.server_environment import default_location
from trifuse.serving.versions import published_systems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trifuse.contracts import ModelSpec, SystemContract, TensorSpec

REPOSITORY_ROOT = Path(__file__).parents[2]
_TYPES = {"FP32": TensorProto.FLOAT, "INT64": TensorProto.INT64}


@pytest.fixture(scope="session")
def server_environment() -> Path:
    path = default_location()
    if not path.is_dir():
        pytest.fail(
            f"the tests need Triton's environment: no {path}. Run `make test`, which makes it", pytrace=False
        )
    return path


@pytest.fixture(scope="session")
def definition() -> Path:
    return REPOSITORY_ROOT / "model_repository"


@pytest.fixture(scope="session")
def write_export() -> Callable[[Path, SystemContract], Path]:
    """Write an export stage whose parts have the contract's tensors and answer with constants."""

    def write(folder: Path, contract: SystemContract, value: float = 0.5) -> Path:
        (folder / "assets").mkdir(parents=True)
        train_wordpiece(["红色 red", "白色 white"], 100).save(str(folder / "assets" / "tokenizer.json"))
        for part in contract.parts:
            model = helper.make_model(
                _graph(part, value), opset_imports=[helper.make_opsetid("", 21)], ir_version=10
            )
            helper.set_model_props(model, {"contract_hash": contract.hash})
            onnx.save(model, folder / f"{part.name}.onnx")
        write_manifest(
            folder,
            Manifest(contract.system, "export", contract.profile, contract.hash, metrics={"match_auc": 0.75}),
        )
        return folder

    return write


@pytest.fixture(scope="session")
def product_artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product system's smoke profile, made by the real scripts."""
    return build_smoke(tmp_path_factory.mktemp("product"))


@pytest.fixture(scope="session")
def product_server(product_artifacts: Path, server_environment: Path) -> Iterator[EmbeddedTriton]:
    """One running server for all tests: each must leave it healthy."""
    repository = product_artifacts / "model_repository"
    contracts = [contract for contract, _ in published_systems(repository)]
    ports = dict(zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
    with EmbeddedTriton(
        repository,
        server_environment=server_environment,
        canary=lambda server: run_canaries(server.grpc_url, contracts),
        **ports,
    ) as server:
        yield server


def _graph(part: ModelSpec, value: float) -> onnx.GraphProto:
    """Fill each output with `value`; its axes that vary are those of the part's first input."""
    first = part.inputs[0].name
    nodes = [
        helper.make_node("Shape", [first], ["batch"], start=0, end=1),
        helper.make_node("Shape", [first], ["length"], start=1, end=2),
    ]
    for tensor in part.outputs:
        axes = ["length" if size == -1 else f"size_{size}" for size in tensor.dims]
        shape = f"{tensor.name}_shape"
        fill = helper.make_tensor("value", _TYPES[tensor.dtype], [1], [value])
        nodes += [
            helper.make_node("Concat", ["batch", *axes], [shape], axis=0),
            helper.make_node("ConstantOfShape", [shape], [tensor.name], value=fill),
        ]
    sizes = {size for tensor in part.outputs for size in tensor.dims if size != -1}
    constants = [helper.make_tensor(f"size_{size}", TensorProto.INT64, [1], [size]) for size in sizes]
    return helper.make_graph(
        nodes,
        part.name,
        [_value(tensor) for tensor in part.inputs],
        [_value(tensor) for tensor in part.outputs],
        constants,
    )


def _value(tensor: TensorSpec) -> onnx.ValueInfoProto:
    dims = ["batch", *("length" if size == -1 else size for size in tensor.dims)]
    return helper.make_tensor_value_info(tensor.name, _TYPES[tensor.dtype], dims)
