"""Exports that publishing takes, written without torch; no server could load their parts."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from trifuse.artifacts import Manifest, write_manifest
from trifuse.contracts import SystemContract


def write_export(
    folder: Path,
    contract: SystemContract,
    *,
    weight: float = 1,
    opset: int = 21,
    contract_hash: str = "",
) -> Path:
    (folder / "assets").mkdir(parents=True)
    (folder / "assets" / "vocabulary.json").write_text("{}")
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in ("x", "y")]
    constant = helper.make_tensor("weight", TensorProto.FLOAT, [1], [weight])
    for part in contract.parts:
        graph = helper.make_graph(
            [helper.make_node("Mul", ["x", "weight"], ["y"])], part.name, tensors[:1], tensors[1:], [constant]
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
        helper.set_model_props(model, {"contract_hash": contract_hash or contract.hash, "parity": "1e-6"})
        onnx.save(model, folder / f"{part.name}.onnx")
    manifest = Manifest(contract.system, "export", contract.profile, contract.hash, metrics={"auc": 0.9})
    write_manifest(folder, manifest)
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
