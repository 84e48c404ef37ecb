"""Publish what the `full` recipe serves with random weights: `python benchmarks/publish_full_size.py SYSTEM`.

Latency does not depend on what the weights are. The student is pruned as the recipe says, exported, checked
and quantised; of every part the variant that is fastest on this machine is published, whatever its quality.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trifuse.artifacts import new_folder, write_manifest
from trifuse.command_line import run
from trifuse.compression.prune import prune as prune_part
from trifuse.compression.quantize import variants
from trifuse.export.runtime import OnnxModel, first_items, median_latencies_ms, open_session
from trifuse.reporting import machine
from trifuse.stages.chain import ASSETS, EXPORT, PRUNE, QUANTIZE, Build, Outcome, read_assets, save_model
from trifuse.stages.export import export
from trifuse.stages.publish import publish
from trifuse.systems import available
from trifuse.training.workbench import Measured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

_DEFINITION = Path(__file__).resolve().parent.parent / "model_repository"
_WORDS, _SAMPLES, _REPEATS = 2000, 32, 10
_UNMEASURED = Measured({}, {}, {})


def main() -> None:
    """Build, compress and publish the system, and print its version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=available())
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts/full"), help="default: %(default)s")
    parser.add_argument("--items", type=int, default=60, help="generated items to calibrate with")
    arguments = parser.parse_args()
    build = Build(arguments.system, "full", arguments.artifacts)
    data = build.component("generator").generate(build.folder("data"), items=arguments.items, seed=build.seed)
    _prune(build, _assets(build, data))
    export(build, PRUNE)
    choice = _quantize(build, data)
    repository = build.artifacts / "model_repository"
    version = publish(build, repository, _DEFINITION)
    print(f"{build.system}: version {version} (full, random weights, {choice}) is published in {repository}")


def _assets(build: Build, data: Path) -> Mapping[str, str]:
    """Train a vocabulary on the generated data, so that texts have their usual number of tokens."""
    student = build.recipe.student
    small = replace(student, text=replace(student.text, vocab_size=_WORDS))
    new = build.component("training").new_model(build.contract, build.recipe, small, data, backbones={})
    assets: Mapping[str, str] = new.assets
    return assets


def _prune(build: Build, assets: Mapping[str, str]) -> None:
    """Write the `prune` stage: the untrained student, pruned in one step; it embeds the full vocabulary."""
    recipe, system = build.recipe, build.component("model")
    architecture = build.component("training").architecture(recipe, recipe.student)
    torch.manual_seed(build.seed)
    model: nn.Module = system.build_model(build.contract, architecture).eval()
    original = system.build_model(build.contract, architecture)
    for part in system.prunables(build.contract, model, architecture):
        kept = 1 - recipe.pruning.ratio
        prune_part(part, original.get_submodule(part.name), kept, head_ratio=recipe.pruning.ratio)
    details = {"weights": "random", "pruning": recipe.pruning.ratio}
    made_from = {"recipe": build.recipe_digest("student", "pruning")}
    save_model(build, PRUNE, Outcome(model, architecture, assets, {}, _UNMEASURED, details), made_from)


def _quantize(build: Build, data: Path) -> dict[str, str]:
    """Write the `quantize` stage with every part's fastest variant at batch 1; returns their names."""
    paths = {part.name: build.folder(EXPORT) / f"{part.name}.onnx" for part in build.contract.parts}
    samples = build.workbench(data, read_assets(build.folder(EXPORT))).samples(_SAMPLES)
    fed = OnnxModel(build.contract, paths).feed(samples)
    with tempfile.TemporaryDirectory() as work:
        made = {part: variants(path, fed[part], Path(work) / part) for part, path in paths.items()}
        calls = {
            (part, variant): partial(open_session(path).run, None, first_items(fed[part], 1))
            for part, found in made.items()
            for variant, path in found.items()
        }
        latencies_ms = median_latencies_ms(calls, _REPEATS)
        choice = {
            part: min(found, key=lambda variant, part=part: latencies_ms[part, variant])  # type: ignore[misc]
            for part, found in made.items()
        }
        _save(build, {part: made[part][variant] for part, variant in choice.items()}, choice, latencies_ms)
    return choice


def _save(
    build: Build, chosen: Mapping[str, Path], choice: dict[str, str], latencies_ms: Mapping[Any, float]
) -> None:
    details = {
        "weights": "random",
        "choice": choice,
        "latency_ms": {f"{part} {variant}": value for (part, variant), value in latencies_ms.items()},
        "machine": machine(),
    }
    with new_folder(build.folder(QUANTIZE)) as folder:
        for part, path in chosen.items():
            shutil.copyfile(path, folder / f"{part}.onnx")
        shutil.copytree(build.folder(EXPORT) / ASSETS, folder / ASSETS)
        inputs = {EXPORT: build.source_digest(EXPORT)}
        write_manifest(folder, build.new_manifest(QUANTIZE, inputs=inputs, details=details))


if __name__ == "__main__":
    run(main)
