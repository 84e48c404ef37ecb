"""The quantisation stage: for every part the fastest variant on this machine that keeps the quality."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.progress import track

from trifuse.artifacts import new_folder, write_manifest
from trifuse.compression.quantize import FLOAT, variants
from trifuse.compression.tolerance import check_drop, largest_drop
from trifuse.export.runtime import OnnxModel, first_items, median_latencies_ms, open_session
from trifuse.reporting import machine
from trifuse.stages.chain import ASSETS, EXPORT, QUANTIZE, Build, read_assets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trifuse.export.runtime import Arrays
    from trifuse.training.loop import Task
    from trifuse.training.workbench import Measured

BATCHES = (1, 8)


def inputs(build: Build) -> dict[str, str]:
    """Identify everything that decides what the stage makes, the machine included: it measures."""
    return {
        EXPORT: build.source_digest(EXPORT),
        "recipe": build.recipe_digest("quantization"),
        "machine": machine(),
    }


def quantize(build: Build) -> Path:
    """Choose every part's variant and write the stage. Returns its folder.

    Calibration uses training items only, the choice the dev part. Raises ToleranceError when even the
    unquantised parts are worse than what was exported.
    """
    exported, recipe = build.manifest(EXPORT), build.recipe.quantization
    bench = build.workbench(build.trained_on(), read_assets(build.folder(EXPORT)))
    task = bench.task(None)
    work = build.work(QUANTIZE)
    shutil.rmtree(work, ignore_errors=True)
    candidates, fed = _candidates(build, bench.samples(recipe.samples), work)
    measured = _measure(candidates, fed, recipe.repeats)
    choice = _choose(build, task, candidates, measured, exported.metrics["dev"])
    chosen = {part: candidates[part][variant] for part, variant in choice.items()}
    model = OnnxModel(build.contract, chosen)
    dev = task.evaluate(model)
    check_drop(QUANTIZE, exported.metrics["dev"], dev, recipe.tolerance)
    details = {"quantization": asdict(recipe), "choice": choice, "candidates": measured, "machine": machine()}
    _save(build, chosen, dev, bench.measure(model), details)
    shutil.rmtree(work)
    return build.folder(QUANTIZE)


def _candidates(
    build: Build, samples: Arrays, work: Path
) -> tuple[dict[str, dict[str, Path]], dict[str, Arrays]]:
    """Make the variants of every part, calibrated on what the part is given for the samples."""
    paths = {part.name: build.folder(EXPORT) / f"{part.name}.onnx" for part in build.contract.parts}
    fed = OnnxModel(build.contract, paths).feed(samples)
    made = {
        name: variants(path, fed[name], work / name)
        for name, path in track(paths.items(), "quantising", transient=True)
    }
    return made, fed


def _save(
    build: Build, chosen: Mapping[str, Path], dev: dict[str, float], found: Measured, details: dict[str, Any]
) -> None:
    with new_folder(build.folder(QUANTIZE)) as folder:
        for part, path in chosen.items():
            shutil.copyfile(path, folder / f"{part}.onnx")
        shutil.copytree(build.folder(EXPORT) / ASSETS, folder / ASSETS)
        manifest = build.new_manifest(
            QUANTIZE,
            inputs=inputs(build),
            metrics={"dev": dev, "validation": found.headline},
            details=details | {"report": found.report, "queries": found.queries},
        )
        write_manifest(folder, manifest)


def _measure(
    candidates: Mapping[str, Mapping[str, Path]], fed: Mapping[str, Arrays], repeats: int
) -> dict[str, dict[str, Any]]:
    """Time every variant of every part: `{part: {variant: {latency_ms: {batch: median}, bytes}}}`."""
    measured: dict[str, dict[str, Any]] = {}
    for part, files in candidates.items():
        sessions = {variant: open_session(path) for variant, path in files.items()}
        calls = {
            (variant, batch): partial(session.run, None, first_items(fed[part], batch))
            for variant, session in sessions.items()
            for batch in BATCHES
        }
        latencies = median_latencies_ms(calls, repeats)
        measured[part] = {
            variant: {
                "latency_ms": {str(batch): latencies[variant, batch] for batch in BATCHES},
                "bytes": path.stat().st_size,
            }
            for variant, path in files.items()
        }
    return measured


def _choose(
    build: Build,
    task: Task,
    candidates: Mapping[str, Mapping[str, Path]],
    measured: dict[str, dict[str, Any]],
    before: Mapping[str, float],
) -> dict[str, str]:
    """Accept faster variants, those that save most first, while the system stays within the tolerance.

    What each candidate did to the dev metrics, together with those accepted before it, joins `measured`.
    """
    choice = dict.fromkeys(candidates, FLOAT)
    for part, variant in _by_saving(measured):
        trial = choice | {part: variant}
        model = OnnxModel(build.contract, {name: candidates[name][kind] for name, kind in trial.items()})
        dev = task.evaluate(model)
        measured[part][variant]["dev"] = dev
        faster = _latency(measured, part, variant) < _latency(measured, part, choice[part])
        if faster and largest_drop(before, dev)[1] <= build.recipe.quantization.tolerance:
            choice = trial
    return choice


def _by_saving(measured: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    pairs = [(part, variant) for part, found in measured.items() for variant in found if variant != FLOAT]
    return sorted(pairs, key=lambda pair: _latency(measured, *pair) - _latency(measured, pair[0], FLOAT))


def _latency(measured: Mapping[str, Mapping[str, Any]], part: str, variant: str) -> float:
    """Weigh latency at batch 1, which clients wait for."""
    return float(measured[part][variant]["latency_ms"]["1"])
