"""The training stage: train the recipe's teacher, or its student alone, and leave a model."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trifuse.artifacts import digest, new_folder, verify
from trifuse.errors import ConfigurationError, ContractMismatchError
from trifuse.stages.chain import (
    TRAIN,
    Build,
    Outcome,
    digest_of,
    fit,
    require_data,
    save_model,
)
from trifuse.training import distributed

if TYPE_CHECKING:
    from collections.abc import Mapping

MEMBERS = ("teacher", "student")


@dataclass(frozen=True)
class TrainOptions:
    """What to train: a model of the recipe, on which data, from which checkpoints, for how long.

    `backbones` maps parts to checkpoints to start from; `epochs` replaces the recipe's number.
    """

    data: Path | None
    member: str = "teacher"
    backbones: Mapping[str, str] = field(default_factory=dict)
    epochs: int | None = None


def inputs(build: Build, options: TrainOptions) -> dict[str, str]:
    """Identify everything that decides what the stage makes."""
    return {
        "data": build.component("training").digest_data(require_data(options.data)),
        "backbones": _digest_backbones(options.backbones),
        "recipe": build.recipe_digest(options.member),
        "options": digest_of([options.member, options.epochs, build.seed]),
    }


def train(build: Build, options: TrainOptions) -> Path:
    """Train the model and write the stage; a killed run goes on where it was. Returns the folder."""
    if options.epochs is not None and options.epochs < 1:
        raise ConfigurationError("the number of epochs is wrong", got=options.epochs, expected="at least 1")
    data, made_from = require_data(options.data), inputs(build, options)
    member = getattr(build.recipe, options.member)
    training = replace(member.training, epochs=options.epochs or member.training.epochs)
    torch.manual_seed(build.seed)
    new = build.component("training").new_model(
        build.contract, build.recipe, member, data, backbones=options.backbones
    )
    bench = build.workbench(data, new.assets)
    task = bench.task(new.model)
    run = digest_of([made_from, build.contract.hash, new.architecture])
    outcome = fit(build, TRAIN, task, training, run)
    if distributed.is_main():
        details = {
            "data": str(data),
            "member": options.member,
            "training": asdict(training),
            "calibration": task.calibrate(new.model),
            "best_epoch": outcome["epoch"],
            "history": outcome["history"],
        }
        model = Outcome(
            new.model, new.architecture, new.assets, outcome["metrics"], bench.measure(new.model), details
        )
        save_model(build, TRAIN, model, made_from)
    return build.folder(TRAIN)


def adopt(build: Build, source: Path) -> Path:
    """Take the `train` stage of another artifact root instead of training. Returns the folder.

    Raises ArtifactError for a damaged checkpoint, ContractMismatchError for one of another contract.
    """
    manifest = verify(source, build.contract)
    if manifest.stage != TRAIN:
        raise ContractMismatchError(f"{source} is no training", got=manifest.stage, expected=TRAIN)
    folder = build.folder(TRAIN)
    if source.resolve() != folder.resolve():
        with new_folder(folder) as new:
            shutil.copytree(source, new, dirs_exist_ok=True)
    return folder


def _digest_backbones(backbones: Mapping[str, str]) -> str:
    """Identify the checkpoints by their files, or by their names on the hub."""
    parts: list[Any] = []
    for part, source in sorted(backbones.items()):
        path = Path(source)
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        parts.append([part, *(map(digest, files) if files else [source])])
    return digest_of(parts)
