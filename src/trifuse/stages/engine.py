"""The engine stage: what is published, and beside every part its ONNX file and its TensorRT plan for GPUs."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.progress import track

from trifuse.artifacts import new_folder, write_file, write_manifest
from trifuse.compression.tolerance import check_drop
from trifuse.export.runtime import OnnxModel, open_session
from trifuse.export.tensorrt_forms import write_form
from trifuse.export.tensorrt_parity import FormModel, check_difference, open_form, relative_difference
from trifuse.export.tensorrt_plan import Plan
from trifuse.export.to_tensorrt import Gpu, build_plan, find_gpu, load_tensorrt
from trifuse.serving.gpu_configs import SERVER_TENSORRT, onnx_name, plan_name
from trifuse.serving.gpu_profiles import shape_profiles
from trifuse.serving.probe import probe
from trifuse.serving.repository import publish as publish_folder
from trifuse.serving.server_environment import default_location
from trifuse.stages.chain import ASSETS, EXPORT, Build, read_assets
from trifuse.stages.publish import stage_to_publish

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trifuse.contracts import ModelSpec
    from trifuse.export.runtime import Arrays
    from trifuse.export.tensorrt_parity import Runnable
    from trifuse.serving.live import LiveServer

ENGINE = "engine"


def inputs(build: Build, precision: str, gpu: Gpu | None) -> dict[str, str]:
    """Identify everything that decides what the stage makes."""
    served = stage_to_publish(build)
    made_from = {stage: build.source_digest(stage) for stage in (EXPORT, served)}
    machine = f"{gpu.name}, TensorRT {SERVER_TENSORRT}" if gpu else "no plans"
    return made_from | {
        "recipe": build.recipe_digest("quantization"),
        "precision": precision,
        "machine": machine,
    }


def build_engines(build: Build, precision: str, *, plans: bool) -> Path:
    """Write the stage; without `plans` only the ONNX files, which need no GPU here. Returns its folder.

    Forms are made from the float export, whatever the server runs on CPUs, and compared with it in ONNX
    Runtime on training items, and by the dev metrics of the whole system; both within the recipe's tolerance
    for quantisation. Raises ConfigurationError without a GPU or TensorRT, ExportError and ToleranceError;
    the stage is as it was then.
    """
    gpu = _gpu() if plans else None
    exported, recipe = build.manifest(EXPORT), build.recipe.quantization
    bench = build.workbench(build.trained_on(), read_assets(build.folder(EXPORT)))
    fed = OnnxModel(build.contract, _exports(build)).feed(bench.samples(recipe.samples))
    with new_folder(build.folder(ENGINE)) as folder:
        _copy_served(build, folder)
        sessions: dict[str, Runnable] = {}
        differences = {}
        for part in track(build.contract.parts, "building", transient=True):
            sessions[part.name] = _form(build, part, precision, gpu, fed[part.name], folder)
            differences[part.name] = _compare(build, part.name, precision, sessions, fed[part.name])
        dev = bench.task(None).evaluate(FormModel(build.contract, sessions))
        check_drop(ENGINE, exported.metrics["dev"], dev, recipe.tolerance)
        manifest = build.new_manifest(
            ENGINE,
            inputs=inputs(build, precision, gpu),
            metrics={"dev": dev, "validation": exported.metrics["validation"]},
            details={"precision": precision, "differences": differences, "gpu": gpu.name if gpu else None},
        )
        write_manifest(folder, manifest)
    return build.folder(ENGINE)


def publish_engines(
    build: Build, repository: Path, definition: Path, server: LiveServer | None = None
) -> int:
    """Publish the stage as the next version, tried on the CPU by a server of its own; returns the version."""
    try_it = partial(probe, contract=build.contract, server_environment=default_location())
    folder = build.folder(ENGINE)
    return publish_folder(folder, repository, build.contract, definition, probe=try_it, server=server)


def _gpu() -> Gpu:
    load_tensorrt()
    return find_gpu()


def _exports(build: Build) -> dict[str, Path]:
    return {part.name: build.folder(EXPORT) / f"{part.name}.onnx" for part in build.contract.parts}


def _copy_served(build: Build, folder: Path) -> None:
    """Take what servers without a GPU run from the stage that would be published otherwise."""
    served = build.folder(stage_to_publish(build))
    shutil.copytree(served / ASSETS, folder / ASSETS)
    for part in build.contract.parts:
        shutil.copyfile(served / f"{part.name}.onnx", folder / f"{part.name}.onnx")


def _form(
    build: Build, part: ModelSpec, precision: str, gpu: Gpu | None, fed: Arrays, folder: Path
) -> Runnable:
    """Write a part's ONNX file for GPUs and its plan; returns what runs the one that will be served."""
    form = folder / onnx_name(part.name)
    write_form(_exports(build)[part.name], form, precision, fed)
    if gpu is None:
        session: Runnable = open_form(form)
        return session
    timings = build.work(ENGINE) / f"{gpu.name}.timings".replace(" ", "-")
    plan = build_plan(form, shape_profiles(build.contract, part), timings)
    write_file(folder / plan_name(part.name, gpu.compute_capability), plan)
    return Plan(plan, part, build.contract.max_batch_size)


def _compare(
    build: Build, part: str, precision: str, sessions: Mapping[str, Runnable], fed: Mapping[str, Any]
) -> float:
    difference = relative_difference(open_session(_exports(build)[part]), sessions[part], fed)
    check_difference(part, precision, difference, build.recipe.quantization.tolerance)
    return difference
