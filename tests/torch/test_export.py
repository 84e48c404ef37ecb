from __future__ import annotations

import dataclasses
from pathlib import Path

import onnx
import pytest
import torch

from tests.torch.conftest import ARCHITECTURE
from trifuse.contracts import SystemContract
from trifuse.errors import ExportError
from trifuse.export.parity import largest_difference
from trifuse.export.to_onnx import export_part
from trifuse.systems.product.model import ProductModel, export_cases

PARTS = ("image_encoder", "text_encoder", "fusion", "joint")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, model: ProductModel, contract: SystemContract) -> Path:
    folder = tmp_path_factory.mktemp("export")
    for name in PARTS:
        example = next(export_cases(contract, name, ARCHITECTURE))
        export_part(
            model.get_submodule(name), contract.model(name), example, folder / f"{name}.onnx", contract
        )
    return folder


@pytest.mark.parametrize("name", PARTS)
def test_a_part_equals_torch_at_every_batch_and_length(
    exported: Path, model: ProductModel, contract: SystemContract, name: str
) -> None:
    cases = list(export_cases(contract, name, ARCHITECTURE))
    assert {next(iter(case.values())).shape[0] for case in cases} == {1, 2, 5}
    assert largest_difference(model.get_submodule(name), exported / f"{name}.onnx", cases, 2e-4) < 2e-4


@pytest.mark.parametrize("name", PARTS)
def test_a_file_is_what_tritons_onnx_runtime_reads(
    exported: Path, contract: SystemContract, name: str
) -> None:
    proto = onnx.load(exported / f"{name}.onnx")
    assert proto.ir_version <= 10
    assert {opset.domain: opset.version for opset in proto.opset_import}[""] <= 21
    assert {prop.key: prop.value for prop in proto.metadata_props}["contract_hash"] == contract.hash
    # TensorRT knows ONNX's own operators only.
    assert {node.domain for node in proto.graph.node} == {""}


def test_changed_weights_are_noticed(exported: Path, model: ProductModel, contract: SystemContract) -> None:
    part = model.get_submodule("joint")
    weights = part.get_parameter("weights").detach().clone()
    with torch.no_grad():
        part.get_parameter("weights").copy_(torch.tensor([2.0, -1.0]))
    try:
        with pytest.raises(ExportError, match=r"joint\.onnx differs from torch at .*expected at most 1e-04"):
            largest_difference(
                part, exported / "joint.onnx", export_cases(contract, "joint", ARCHITECTURE), 1e-4
            )
    finally:
        with torch.no_grad():
            part.get_parameter("weights").copy_(weights)


def test_a_part_that_breaks_the_contract_is_refused(
    tmp_path: Path, model: ProductModel, contract: SystemContract
) -> None:
    part = contract.model("joint")
    wrong = dataclasses.replace(part, outputs=(dataclasses.replace(part.outputs[0], dims=(128,)),))
    example = next(export_cases(contract, "joint", ARCHITECTURE))
    with pytest.raises(ExportError, match=r"joint breaks the contract.*256.*128"):
        export_part(model.get_submodule("joint"), wrong, example, tmp_path / "joint.onnx", contract)
    assert not (tmp_path / "joint.onnx").exists()
