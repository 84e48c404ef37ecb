"""The distillation stage: train the recipe's student with the answers of the trained teacher."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import torch

from trifuse.compression.tolerance import check_drop
from trifuse.errors import ConfigurationError
from trifuse.stages.chain import (
    DISTILL,
    TRAIN,
    Build,
    Outcome,
    digest_of,
    fit,
    load_model,
    read_assets,
    save_model,
)
from trifuse.training import distributed
from trifuse.training.distill import DistillationTask

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from trifuse.training.workbench import Workbench


def inputs(build: Build) -> dict[str, str]:
    """Identify everything that decides what the stage makes."""
    return {
        TRAIN: build.source_digest(TRAIN),
        "recipe": build.recipe_digest("student", "distillation"),
        "options": digest_of([build.seed]),
    }


def distill(build: Build) -> Path:
    """Train the student and write the stage; a killed run goes on where it was. Returns the folder.

    Raises ToleranceError when the student is too far behind its teacher on the dev part.
    """
    made_from, trained = inputs(build), build.manifest(TRAIN)
    if trained.details["member"] != "teacher":
        raise ConfigurationError(
            "there is no teacher to learn from",
            got=f"a {trained.details['member']} in {build.folder(TRAIN)}",
            hint=f"Train it: build/train.py {build.system} --model teacher",
        )
    student, recipe = build.recipe.student, build.recipe.distillation
    data, assets = build.trained_on(), read_assets(build.folder(TRAIN))
    torch.manual_seed(build.seed)
    new = build.component("training").new_model(
        build.contract, build.recipe, student, data, backbones={}, assets=assets
    )
    bench = build.workbench(data, assets)
    task = distillation_task(build, bench, new.model)
    outcome = fit(build, DISTILL, task, student.training, digest_of([made_from, build.contract.hash]))
    if distributed.is_main():
        check_drop(DISTILL, trained.metrics["dev"], outcome["metrics"], recipe.tolerance)
        details = {
            "training": asdict(student.training),
            "distillation": asdict(recipe),
            "calibration": task.calibrate(new.model),
            "best_epoch": outcome["epoch"],
            "history": outcome["history"],
        }
        model = Outcome(
            new.model, new.architecture, assets, outcome["metrics"], bench.measure(new.model), details
        )
        save_model(build, DISTILL, model, made_from)
    return build.folder(DISTILL)


def distillation_task(build: Build, bench: Workbench, model: nn.Module) -> DistillationTask:
    """Prepare a model to learn from the trained teacher, whose answers all stages share on disk."""
    recipe = build.recipe.distillation
    key = digest_of([build.source_digest(TRAIN), build.recipe_digest(), [recipe.cached_views, build.seed]])
    cache = build.artifacts / build.system / "teacher" / key[:16]
    teacher = bench.teach(load_model(build, TRAIN), recipe.cached_views, build.seed, cache)
    return DistillationTask(bench.task(model, teacher), recipe)
