"""The training stage: run a system's job and leave a checkpoint with its manifest."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import safetensors.torch

from trifuse import systems
from trifuse.artifacts import Manifest, new_folder, stage_folder, verify, write_manifest
from trifuse.errors import ConfigurationError
from trifuse.training.loop import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import nn

    from trifuse.contracts import SystemContract
    from trifuse.training.loop import Task

STAGE = "train"
WEIGHTS = "model.safetensors"
ASSETS = "assets"


@dataclass(frozen=True)
class TrainingJob:
    """What a system hands to the training stage.

    `architecture` rebuilds the model, `inputs` are digests of what the system is made from, `assets` are
    files that preprocessing needs, `report` measures the validation part.
    """

    task: Task
    architecture: dict[str, Any]
    inputs: Mapping[str, str]
    assets: Mapping[str, str]
    report: Callable[[], dict[str, Any]]


def train(
    system: str,
    profile: str,
    manifest: Path,
    artifacts: Path,
    *,
    backbones: Mapping[str, str],
    epochs: int | None = None,
) -> Path:
    """Train a system and write the `train` stage; a killed run goes on where it was. Returns the folder.

    `backbones` maps parts to the checkpoints they start from, `epochs` replaces the recipe's number.
    """
    if epochs is not None and epochs < 1:
        raise ConfigurationError("the number of epochs is wrong", got=epochs, expected="at least 1")
    contract = systems.contract(system, profile)
    recipe = systems.component(system, "recipe").recipe(profile)
    if epochs is not None:
        recipe = replace(recipe, training=replace(recipe.training, epochs=epochs))
    job: TrainingJob = systems.component(system, "training").prepare(contract, recipe, manifest, backbones)
    inputs = dict(job.inputs) | {"recipe": _digest_of(asdict(recipe))}
    folder = stage_folder(artifacts, system, STAGE)
    run = _digest_of([inputs, job.architecture, contract.hash])[:16]
    progress = folder.with_name(f"{STAGE}.progress") / f"{run}.pt"
    outcome = Trainer(job.task, recipe.training, progress).run()
    details = {
        "recipe": asdict(recipe),
        "architecture": job.architecture,
        "calibration": job.task.calibrate(job.task.model),
        "best_epoch": outcome["epoch"],
        "history": outcome["history"],
    }
    metrics = {"dev": outcome["metrics"], "validation": job.report()}
    with new_folder(folder) as new:
        _save(new, job, contract)
        write_manifest(
            new, Manifest(system, STAGE, profile, contract.hash, inputs, metrics=metrics, details=details)
        )
    progress.unlink()
    return folder


def adopt(system: str, profile: str, source: Path, artifacts: Path) -> Path:
    """Take the `train` stage of another artifact root instead of training. Returns the folder.

    Raises ArtifactError for a damaged checkpoint, ContractMismatchError for one of another contract.
    """
    contract = systems.contract(system, profile)
    load_model(source, contract)
    folder = stage_folder(artifacts, system, STAGE)
    if source.resolve() != folder.resolve():
        with new_folder(folder) as new:
            shutil.copytree(source, new, dirs_exist_ok=True)
    return folder


def load_model(folder: Path, contract: SystemContract) -> nn.Module:
    """Rebuild a stage's model from manifest and weights. Raises ArtifactError or ContractMismatchError."""
    manifest = verify(folder, contract)
    model: nn.Module = systems.component(contract.system, "model").build_model(
        contract, manifest.details["architecture"]
    )
    safetensors.torch.load_model(model, folder / WEIGHTS)
    return model.eval()


def _save(folder: Path, job: TrainingJob, contract: SystemContract) -> None:
    metadata = {"contract_hash": contract.hash, "system": contract.system, "profile": contract.profile}
    state = {name: tensor.contiguous() for name, tensor in job.task.model.state_dict().items()}
    safetensors.torch.save_file(state, folder / WEIGHTS, metadata)
    (folder / ASSETS).mkdir()
    for name, content in job.assets.items():
        (folder / ASSETS / name).write_text(content, encoding="utf-8")


def _digest_of(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
