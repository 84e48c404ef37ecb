"""The export stage: every part of a trained system as a checked ONNX file."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from rich.progress import track

from trifuse import systems
from trifuse.artifacts import (
    MANIFEST,
    Manifest,
    digest,
    new_folder,
    read_manifest,
    stage_folder,
    write_manifest,
)
from trifuse.export.parity import largest_difference
from trifuse.export.to_onnx import OPSET, export_part
from trifuse.training import stage as training

if TYPE_CHECKING:
    from pathlib import Path

STAGE = "export"


def export(system: str, artifacts: Path) -> Path:
    """Export the trained system and write the `export` stage. Returns its folder.

    Raises ArtifactError when the system is not trained and ExportError when a part is not equal to torch.
    """
    source = stage_folder(artifacts, system, training.STAGE)
    trained = read_manifest(source)
    contract = systems.contract(system, trained.profile)
    model = training.load_model(source, contract)
    export_cases = systems.component(system, "model").export_cases
    recipe = systems.component(system, "recipe").recipe(trained.profile)
    parity: dict[str, Any] = {}
    with new_folder(stage_folder(artifacts, system, STAGE)) as folder:
        for part in track(contract.parts, "exporting"):
            module, path = model.get_submodule(part.name), folder / f"{part.name}.onnx"
            cases = list(export_cases(contract, part.name, trained.details["architecture"]))
            export_part(module, part, cases[0], path, contract)
            atol = recipe.parity_atol[part.name]
            parity[part.name] = {
                "largest_difference": largest_difference(module, path, cases, atol),
                "atol": atol,
            }
        shutil.copytree(source / training.ASSETS, folder / training.ASSETS)
        write_manifest(
            folder,
            Manifest(
                system=system,
                stage=STAGE,
                profile=trained.profile,
                contract_hash=contract.hash,
                inputs={training.STAGE: digest(source / MANIFEST)},
                metrics=trained.metrics,
                details={"opset": OPSET, "parity": parity},
            ),
        )
    return stage_folder(artifacts, system, STAGE)
