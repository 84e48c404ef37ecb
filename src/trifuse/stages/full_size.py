"""Latency and size of the `full` recipe's teacher and of what is served of it, without any training.

Weights are random: pruning, export and quantisation change sizes and operations all the same.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trifuse.compression.prune import prune as prune_part
from trifuse.compression.quantize import variants
from trifuse.compression.report import Candidate, StageRow
from trifuse.export.cost import cost
from trifuse.export.runtime import first_items, median_latencies_ms, open_session
from trifuse.export.to_onnx import export_part
from trifuse.stages.quantize import BATCHES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from trifuse.export.runtime import Arrays
    from trifuse.stages.chain import Build

_REPEATS = 50
TEACHER, STUDENT, PRUNED, QUANTISED = "teacher", "student", "pruned", "quantised"


def measure_full_size(build: Build) -> tuple[list[StageRow], list[Candidate], dict[str, Any]]:
    """Build teacher and student untrained, prune, export and quantise the student, and time all parts.

    Returns a row a stage, every int8 candidate, and the parts' latencies `{stage: {part: {batch: ms}}}`.
    """
    models = _models(build)
    with tempfile.TemporaryDirectory() as work:
        files = {name: _export(build, model, Path(work) / name) for name, model in models.items()}
        inputs = {part.name: _inputs(build, part.name) for part in build.contract.parts}
        tried = {
            part: variants(path, inputs[part], Path(work) / QUANTISED / part)
            for part, path in files[PRUNED].items()
        }
        latencies = _time({**files, **_by_variant(tried)}, inputs)
        chosen = {
            part: min(found, key=lambda variant, part=part: latencies[variant, part, BATCHES[0]])  # type: ignore[misc]
            for part, found in tried.items()
        }
        files[QUANTISED] = {part: tried[part][variant] for part, variant in chosen.items()}
        for part, variant in chosen.items():
            latencies |= {(QUANTISED, part, batch): latencies[variant, part, batch] for batch in BATCHES}
        costs = {name: _costs(build, model) for name, model in models.items()}
        rows = [_row(name, costs.get(name, costs[PRUNED]), found, latencies) for name, found in files.items()]
    candidates = [
        Candidate(
            part,
            variant,
            {},
            {batch: latencies[variant, part, batch] for batch in BATCHES},
            variant == chosen[part],
        )
        for part, found in tried.items()
        for variant in found
    ]
    return rows, candidates, _nested(files, latencies)


def _models(build: Build) -> dict[str, nn.Module]:
    system, recipe = build.component("model"), build.recipe
    torch.manual_seed(build.seed)
    models = {
        name: system.build_model(build.contract, _architecture(build, member)).eval()
        for name, member in ((TEACHER, recipe.teacher), (STUDENT, recipe.student), (PRUNED, recipe.student))
    }
    for part in system.prunables(build.contract, models[PRUNED], _architecture(build, recipe.student)):
        original = models[STUDENT].get_submodule(part.name)
        prune_part(part, original, 1 - recipe.pruning.ratio, head_ratio=recipe.pruning.ratio)
    return models


def _architecture(build: Build, member: Any) -> dict[str, Any]:
    found: dict[str, Any] = build.component("training").architecture(build.recipe, member)
    return found


def _cases(build: Build, part: str, batch: int) -> list[dict[str, Tensor]]:
    architecture = _architecture(build, build.recipe.student)
    return list(build.component("model").export_cases(build.contract, part, architecture, (batch,)))


def _inputs(build: Build, part: str) -> Arrays:
    """Make a part's inputs for the largest batch, at the middle one of the lengths that there are."""
    cases = _cases(build, part, max(BATCHES))
    return {name: tensor.numpy() for name, tensor in cases[len(cases) // 2].items()}


def _costs(build: Build, model: nn.Module) -> dict[str, int]:
    found = []
    for part in build.contract.parts:
        cases = _cases(build, part.name, 1)
        found.append(cost(model.get_submodule(part.name), list(cases[len(cases) // 2].values())))
    return {"parameters": sum(cost.parameters for cost in found), "macs": sum(cost.macs for cost in found)}


def _export(build: Build, model: nn.Module, folder: Path) -> dict[str, Path]:
    folder.mkdir()
    files = {part.name: folder / f"{part.name}.onnx" for part in build.contract.parts}
    for part in build.contract.parts:
        example = _cases(build, part.name, 2)[0]
        export_part(model.get_submodule(part.name), part, example, files[part.name], build.contract)
    return files


def _by_variant(tried: Mapping[str, Mapping[str, Path]]) -> dict[str, dict[str, Path]]:
    found: dict[str, dict[str, Path]] = {}
    for part, paths in tried.items():
        for variant, path in paths.items():
            found.setdefault(variant, {})[part] = path
    return found


def _time(
    files: Mapping[str, Mapping[str, Path]], inputs: Mapping[str, Arrays]
) -> dict[tuple[str, str, int], float]:
    """Time every part of every stage and variant in one run."""
    calls = {}
    for name, paths in files.items():
        for part, path in paths.items():
            session = open_session(path)
            for batch in BATCHES:
                calls[name, part, batch] = partial(session.run, None, first_items(inputs[part], batch))
    return median_latencies_ms(calls, _REPEATS)


def _row(
    name: str,
    costs: Mapping[str, int],
    files: Mapping[str, Path],
    latencies: Mapping[tuple[str, str, int], float],
) -> StageRow:
    return StageRow(
        stage=name,
        quality={},
        parameters=costs["parameters"],
        macs=costs["macs"],
        bytes=sum(path.stat().st_size for path in files.values()),
        latency_ms={batch: sum(latencies[name, part, batch] for part in files) for batch in BATCHES},
    )


def _nested(
    files: Mapping[str, Mapping[str, Path]], latencies: Mapping[tuple[str, str, int], float]
) -> dict[str, Any]:
    return {
        name: {part: {batch: latencies[name, part, batch] for batch in BATCHES} for part in parts}
        for name, parts in files.items()
    }
