"""The pruning stage: take channels, units and heads out of the student, and let it learn again."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import safetensors.torch

from trifuse.artifacts import write_file
from trifuse.compression.prune import prune as prune_part
from trifuse.compression.rebuild import load_resized
from trifuse.compression.tolerance import check_drop
from trifuse.stages.chain import (
    DISTILL,
    PRUNE,
    Build,
    Outcome,
    digest_of,
    fit,
    load_model,
    read_assets,
    save_model,
)
from trifuse.stages.distill import distillation_task
from trifuse.training import distributed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from trifuse.training.workbench import Workbench


def inputs(build: Build) -> dict[str, str]:
    """Identify everything that decides what the stage makes."""
    return {
        DISTILL: build.source_digest(DISTILL),
        "recipe": build.recipe_digest("distillation", "pruning"),
        "options": digest_of([build.seed]),
    }


def prune(build: Build) -> Path:
    """Prune in steps with distillation after each, and write the stage; a killed run goes on where it was.

    Returns the folder. Raises ToleranceError when the pruned model is too far behind the student.
    """
    made_from, student = inputs(build), build.manifest(DISTILL)
    assets = read_assets(build.folder(DISTILL))
    bench = build.workbench(build.trained_on(), assets)
    model = load_model(build, DISTILL)
    outcomes = [
        _step(build, bench, model, student.details["architecture"], step, digest_of([made_from, step]))
        for step in range(1, build.recipe.pruning.steps + 1)
    ]
    if distributed.is_main():
        metrics = outcomes[-1]["metrics"]
        task = bench.task(model)
        check_drop(PRUNE, student.metrics["dev"], metrics, build.recipe.pruning.tolerance)
        details = {
            "pruning": asdict(build.recipe.pruning),
            "calibration": task.calibrate(model),
            "steps": outcomes,
        }
        architecture = student.details["architecture"]
        save_model(
            build,
            PRUNE,
            Outcome(model, architecture, assets, metrics, bench.measure(model), details),
            made_from,
        )
    return build.folder(PRUNE)


def _step(
    build: Build, bench: Workbench, model: nn.Module, architecture: Mapping[str, Any], step: int, run: str
) -> dict[str, Any]:
    """Prune a share and train; a step that is done is only loaded. Returns what the training reached."""
    finished = build.work(PRUNE) / f"{run[:16]}.safetensors"
    report = finished.with_suffix(".json")
    if not finished.is_file():
        _prune_to(build, model, architecture, step)
        task = distillation_task(build, bench, model)
        outcome = fit(build, PRUNE, task, build.recipe.pruning.training, run)
        if distributed.is_main():
            state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
            write_file(report, json.dumps(outcome))
            write_file(finished, safetensors.torch.save(state))
    distributed.share(None)
    load_resized(model, safetensors.torch.load_file(finished))
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def _prune_to(build: Build, model: nn.Module, architecture: Mapping[str, Any], step: int) -> None:
    """Take the model to the sizes of a step; all heads go in the first, or rounding takes too many."""
    recipe, system = build.recipe.pruning, build.component("model")
    original = system.build_model(build.contract, architecture)
    model.cpu().eval()
    for part in system.prunables(build.contract, model, architecture):
        prune_part(
            part,
            original.get_submodule(part.name),
            1 - recipe.ratio * step / recipe.steps,
            head_ratio=recipe.ratio if step == 1 else 0,
        )
