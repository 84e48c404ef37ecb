"""What the stages of one build share: names, folders, recipe, data, and models on disk."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch

from trifuse import systems
from trifuse.artifacts import MANIFEST, Manifest, digest, new_folder, stage_folder, verify, write_manifest
from trifuse.catalog import find_manifest
from trifuse.compression.rebuild import load_resized
from trifuse.errors import ArtifactError, ConfigurationError
from trifuse.training.loop import Trainer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from trifuse.contracts import SystemContract
    from trifuse.training.loop import Task
    from trifuse.training.recipe import TrainingRecipe
    from trifuse.training.workbench import Measured, Workbench

TRAIN, DISTILL, PRUNE, EXPORT, QUANTIZE = "train", "distill", "prune", "export", "quantize"
WEIGHTS, ASSETS = "model.safetensors", "assets"
# What only some stages read; every other field of a recipe concerns all of them.
_STAGE_FIELDS = ("teacher", "student", "distillation", "pruning", "quantization", "parity_atol")


@dataclass(frozen=True)
class Build:
    """One system at one profile, built below one artifact root from one seed."""

    system: str
    profile: str
    artifacts: Path
    seed: int = 0

    @cached_property
    def contract(self) -> SystemContract:
        """The contract that everything is made under."""
        return systems.contract(self.system, self.profile)

    @cached_property
    def recipe(self) -> Any:
        """The system's recipe of the profile."""
        return self.component("recipe").recipe(self.profile)

    def component(self, name: str) -> Any:
        """Import a module of the system."""
        return systems.component(self.system, name)

    def folder(self, stage: str) -> Path:
        """Name a stage's folder."""
        return stage_folder(self.artifacts, self.system, stage)

    def work(self, stage: str) -> Path:
        """Name the folder where a stage that is not done keeps what it has."""
        return stage_folder(self.artifacts, self.system, f"{stage}.progress")

    def manifest(self, stage: str) -> Manifest:
        """Read and check a stage that must have been run. Raises ArtifactError or ContractMismatchError."""
        return verify(self.folder(stage), self.contract)

    def new_manifest(self, stage: str, **fields: Any) -> Manifest:
        """Describe what a stage of this build makes; `fields` are those of Manifest."""
        return Manifest(self.system, stage, self.profile, self.contract.hash, **fields)

    def recipe_digest(self, *fields: str) -> str:
        """Identify the parts of the recipe that a stage depends on."""
        recipe = asdict(self.recipe)
        return digest_of(
            {name: value for name, value in recipe.items() if name in fields or name not in _STAGE_FIELDS}
        )

    def source_digest(self, stage: str) -> str:
        """Identify what a stage made, by its manifest."""
        path = self.folder(stage) / MANIFEST
        if not path.is_file():
            raise ArtifactError(
                f"the {stage} stage of {self.system} has not been run",
                got=f"no {path}",
                hint=f"Run build/pipeline.py {self.system}, or the stage by itself first",
            )
        return digest(path)

    def is_current(self, stage: str, inputs: Mapping[str, str]) -> bool:
        """Say whether a stage was run from these inputs under this contract, and its files are whole."""
        try:
            return self.manifest(stage).inputs == inputs
        except ArtifactError:
            return False

    def workbench(self, data: Path, assets: Mapping[str, str]) -> Workbench:
        """Open the data for training and measuring."""
        bench: Workbench = self.component("training").Workbench(self.contract, self.recipe, data, assets)
        return bench

    def trained_on(self) -> Path:
        """Find the data of the train stage. Raises ArtifactError when it's gone or has changed."""
        manifest = self.manifest(TRAIN)
        path = Path(manifest.details["data"])
        found = self.component("training").digest_data(path) if path.is_file() else "no file"
        if found != manifest.inputs["data"]:
            raise ArtifactError(
                f"the data that {self.folder(TRAIN)} was trained on has changed",
                got=f"{path}: {found[:16]}",
                expected=manifest.inputs["data"][:16],
                hint="Put it back, or train again with --data",
            )
        return path


def digest_of(value: object) -> str:
    """Identify a value by the SHA-256 of its JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def read_assets(folder: Path) -> dict[str, str]:
    """Read the files that preprocessing needs, by name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((folder / ASSETS).iterdir())}


def load_model(build: Build, stage: str) -> Any:
    """Rebuild a stage's model from manifest and weights. Raises ArtifactError or ContractMismatchError."""
    manifest = build.manifest(stage)
    model: nn.Module = build.component("model").build_model(build.contract, manifest.details["architecture"])
    load_resized(model, safetensors.torch.load_file(build.folder(stage) / WEIGHTS))
    return model.eval()


def fit(build: Build, stage: str, task: Task, recipe: TrainingRecipe, run: str) -> dict[str, Any]:
    """Train a task for a stage; `run` names what must be equal for a killed run to go on where it was."""
    folder = build.work(stage)
    logs = build.artifacts / build.system / "logs" / stage / run[:16]
    return Trainer(task, recipe, folder / f"{run[:16]}.pt", seed=build.seed, logs=logs).run()


@dataclass(frozen=True)
class Outcome:
    """A trained model and what its stage records of it."""

    model: nn.Module
    architecture: dict[str, Any]
    assets: Mapping[str, str]
    dev: dict[str, float]
    measured: Measured
    details: dict[str, Any]


def save_model(build: Build, stage: str, outcome: Outcome, inputs: Mapping[str, str]) -> None:
    """Write a model stage, complete or not at all, and forget the checkpoints on the way to it."""
    # One entry only: the library writes several in another order every time.
    metadata = {"contract_hash": build.contract.hash}
    state = {name: tensor.contiguous().cpu() for name, tensor in outcome.model.state_dict().items()}
    measured = outcome.measured
    details = {
        "seed": build.seed,
        "architecture": outcome.architecture,
        "report": measured.report,
        "queries": measured.queries,
    }
    with new_folder(build.folder(stage)) as folder:
        safetensors.torch.save_file(state, folder / WEIGHTS, metadata)
        (folder / ASSETS).mkdir()
        for name, content in outcome.assets.items():
            (folder / ASSETS / name).write_text(content, encoding="utf-8")
        manifest = build.new_manifest(
            stage,
            inputs=dict(inputs),
            metrics={"dev": outcome.dev, "validation": measured.headline},
            details=details | outcome.details,
        )
        write_manifest(folder, manifest)
    shutil.rmtree(build.work(stage), ignore_errors=True)


def require_data(data: Path | None) -> Path:
    """Resolve the data's manifest from a file or its folder. Raises ConfigurationError without one."""
    if data is None:
        raise ConfigurationError(
            "there is nothing to train on", hint="Pass --data MANIFEST or --checkpoint PATH"
        )
    return find_manifest(data).resolve()
