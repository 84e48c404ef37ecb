"""The export stage: every part of a trained system as a checked ONNX file."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.progress import track

from trifuse.artifacts import new_folder, read_manifest, write_manifest
from trifuse.errors import ArtifactError
from trifuse.export.cost import cost
from trifuse.export.parity import largest_difference
from trifuse.export.to_onnx import OPSET, export_part
from trifuse.stages.chain import ASSETS, DISTILL, EXPORT, PRUNE, TRAIN, Build, load_model

if TYPE_CHECKING:
    from pathlib import Path

MODEL_STAGES = (TRAIN, DISTILL, PRUNE)


def last_model(build: Build) -> str:
    """Name the last stage that left a model. Raises ArtifactError when it's older than the one before it."""
    done = [stage for stage in MODEL_STAGES if build.folder(stage).is_dir()]
    for earlier, later in itertools.pairwise(done):
        if read_manifest(build.folder(later)).inputs.get(earlier) != build.source_digest(earlier):
            raise ArtifactError(
                f"the {later} stage was not made from the {earlier} stage as it is now",
                got=build.folder(later),
                hint=f"Run build/{later}.py {build.system} again, or export another stage with --stage",
            )
    return done[-1] if done else TRAIN


def inputs(build: Build, stage: str) -> dict[str, str]:
    """Identify everything that decides what the stage makes."""
    return {stage: build.source_digest(stage), "recipe": build.recipe_digest("parity_atol")}


def export(build: Build, stage: str) -> Path:
    """Export a stage's model and write the `export` stage. Returns its folder.

    Raises ArtifactError when the stage was not run and ExportError when a part is not equal to torch.
    """
    source = build.manifest(stage)
    with new_folder(build.folder(EXPORT)) as folder:
        parts = export_model(build, stage, folder)
        shutil.copytree(build.folder(stage) / ASSETS, folder / ASSETS)
        manifest = build.new_manifest(
            EXPORT,
            inputs=inputs(build, stage),
            metrics=source.metrics,
            details={"opset": OPSET, "parts": parts},
        )
        write_manifest(folder, manifest)
    return build.folder(EXPORT)


def export_model(build: Build, stage: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Write the parts of a stage's model as ONNX files; returns each one's parity with torch and cost."""
    model, contract = load_model(build, stage), build.contract
    architecture = build.manifest(stage).details["architecture"]
    export_cases = build.component("model").export_cases
    described = {}
    for part in track(contract.parts, f"exporting {stage}", transient=True):
        module, path = model.get_submodule(part.name), folder / f"{part.name}.onnx"
        cases = list(export_cases(contract, part.name, architecture))
        export_part(module, part, cases[0], path, contract)
        atol = build.recipe.parity_atol[part.name]
        described[part.name] = {
            "largest_difference": largest_difference(module, path, cases, atol),
            "atol": atol,
            **asdict(cost(module, [tensor[:1] for tensor in cases[0].values()])),
        }
    return described
