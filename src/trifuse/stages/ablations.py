"""Models that only a study needs: what compression is compared with."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch

from trifuse.compression.rebuild import load_resized
from trifuse.stages.chain import (
    PRUNE,
    WEIGHTS,
    Build,
    Outcome,
    digest_of,
    fit,
    read_assets,
    save_model,
)
from trifuse.stages.distill import distillation_task

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

SAME_SIZE = "same_size"


def same_size_inputs(build: Build) -> dict[str, str]:
    """Identify everything that decides what `same_size` makes."""
    return {
        PRUNE: build.source_digest(PRUNE),
        "recipe": build.recipe_digest("student", "distillation", "pruning"),
    }


def same_size(build: Build) -> Path:
    """Train a model of the pruned one's sizes from scratch, with the same teacher and as many epochs in all.

    Source of the comparison: Liu et al. 2019, "Rethinking the value of network pruning"
    (https://arxiv.org/abs/1810.05270). Returns the folder.
    """
    made_from, pruned = same_size_inputs(build), build.manifest(PRUNE)
    student, pruning = build.recipe.student, build.recipe.pruning
    training = replace(
        student.training, epochs=student.training.epochs + pruning.steps * pruning.training.epochs
    )
    architecture = pruned.details["architecture"]
    torch.manual_seed(build.seed)
    model: nn.Module = build.component("model").build_model(build.contract, architecture)
    load_resized(model, safetensors.torch.load_file(build.folder(PRUNE) / WEIGHTS))
    _forget(model)
    assets = read_assets(build.folder(PRUNE))
    bench = build.workbench(build.trained_on(), assets)
    task = distillation_task(build, bench, model)
    outcome = fit(build, SAME_SIZE, task, training, digest_of(made_from))
    details = {
        "training": asdict(training),
        "calibration": task.calibrate(model),
        "best_epoch": outcome["epoch"],
        "history": outcome["history"],
    }
    made = Outcome(model, architecture, assets, outcome["metrics"], bench.measure(model), details)
    save_model(build, SAME_SIZE, made, made_from)
    return build.folder(SAME_SIZE)


def _forget(model: nn.Module) -> None:
    """Draw all weights anew, with the initialisation of their modules."""
    modules: list[Any] = list(model.modules())
    for module in reversed(modules):
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
        elif hasattr(module, "_reset_parameters"):
            module._reset_parameters()
        elif hasattr(module, "_init_weights"):
            module.apply(module._init_weights)
