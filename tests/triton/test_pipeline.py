"""The build chain from data to a measured version: what it skips, repeats, refuses and survives."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.core.exports import snapshot
from tests.triton import pipelines
from tests.triton.pipelines import SYSTEM, check_published, run_pipeline, steps_run
from tests.triton.served import ROOT, script
from trifuse.artifacts import read_manifest, stage_folder
from trifuse.serving.versions import published_versions

# Lowers one tolerance of the smoke recipe below anything that can be kept, and runs that stage.
STAGE_WITH_TOLERANCE = """
import importlib, sys
from dataclasses import replace
from pathlib import Path
from trifuse.command_line import run
from trifuse.stages.chain import Build
from trifuse.systems.product import recipe

artifacts, stage, section = sys.argv[1:]
smoke = recipe.recipe("smoke")
strict = replace(getattr(smoke, section), tolerance=-2.0)
recipe._RECIPES["smoke"] = replace(smoke, **{section: strict})
make = getattr(importlib.import_module(f"trifuse.stages.{stage}"), stage)
run(lambda: make(Build("product", "smoke", Path(artifacts))))
"""


class Built(NamedTuple):
    data: Path
    artifacts: Path
    processor_s: float
    output: str


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, server_environment: Path) -> Built:
    """A finished build, and how long it computed."""
    folder = tmp_path_factory.mktemp("pipeline")
    script("build/generate.py", SYSTEM, "--output", folder / "data", "--items", 120)
    output, processor_s = pipelines.time_pipeline(folder / "data", folder / "artifacts")
    return Built(folder / "data", folder / "artifacts", processor_s, output)


class Repeated(NamedTuple):
    before: dict[str, bytes]
    after: dict[str, bytes]
    processor_s: float
    output: str


@pytest.fixture(scope="module")
def repeated(built: Built) -> Repeated:
    """The build started once more: all files before and after, and what it took to find nothing to do."""
    before = snapshot(built.artifacts)
    output, processor_s = pipelines.time_pipeline(built.data, built.artifacts)
    return Repeated(before, snapshot(built.artifacts), processor_s, output)


@pytest.fixture
def copy(built: Built, tmp_path: Path) -> Path:
    """A finished build's artifact root, to be changed."""
    return Path(shutil.copytree(built.artifacts, tmp_path / "artifacts", symlinks=True))


def _folder(artifacts: Path, stage: str) -> Path:
    return stage_folder(artifacts, SYSTEM, stage)


def test_all_steps_run_and_leave_what_they_promise(built: Built) -> None:
    assert steps_run(built.output) == list(pipelines.STEPS)
    assert sorted(path.name for path in (built.artifacts / SYSTEM).iterdir()) == sorted(
        [*pipelines.STAGES, "logs", "teacher"]
    )
    check_published(built.artifacts)
    report = _folder(built.artifacts, "report")
    stages = [row["stage"] for row in json.loads((report / "rows.json").read_text())["rows"]]
    assert stages[:4] == ["teacher", "student", "pruned", "quantised"]
    assert stages[4].startswith("as served")
    page = (report / "report.html").read_text(encoding="utf-8")
    assert all(stage in page for stage in stages)
    assert all(stage in built.output for stage in stages)


def test_every_stage_is_smaller_than_the_one_before(built: Built) -> None:
    rows = json.loads((_folder(built.artifacts, "report") / "rows.json").read_text())["rows"]
    teacher, student, pruned, quantised, _ = rows
    for measure in ("parameters", "macs", "bytes"):
        assert teacher[measure] > student[measure] > pruned[measure] >= quantised[measure]
    assert quantised["bytes"] <= pruned["bytes"]
    made = read_manifest(_folder(built.artifacts, "quantize"))
    assert quantised["quality"] == made.metrics["validation"]


def test_a_finished_build_is_not_built_again(built: Built, repeated: Repeated) -> None:
    assert steps_run(repeated.output) == []
    table = built.output[built.output.index("product smoke") :]
    assert repeated.output.endswith(table)
    assert repeated.after == repeated.before


def test_what_depends_on_a_stage_is_made_again_and_nothing_else(built: Built, copy: Path) -> None:
    shutil.rmtree(_folder(copy, "quantize"))
    ran = steps_run(run_pipeline(built.data, copy))
    # Which variants are chosen depends on how fast they are: the parts may come out as they were.
    files = (read_manifest(_folder(root, "quantize")).files for root in (built.artifacts, copy))
    is_new = next(files) != next(files)
    assert ran == ["quantize", *(["publish"] if is_new else []), "report"]
    assert sorted(published_versions(copy / "model_repository", SYSTEM)) == [1, 2][: 1 + is_new]
    check_published(copy)


def test_a_damaged_stage_or_version_is_made_again(built: Built, copy: Path) -> None:
    damaged = _folder(copy, "export") / "joint.onnx"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    joint = pipelines.CONTRACT.model_name("joint")
    (published,) = (copy / "model_repository" / joint).glob("*/model.onnx")
    published.write_bytes(published.read_bytes()[:-1] + b"\0")
    # They come out as they were: what was made from them still holds.
    assert steps_run(run_pipeline(built.data, copy)) == ["export", "publish"]
    assert snapshot(_folder(copy, "export")) == snapshot(_folder(built.artifacts, "export"))
    check_published(copy)


@pytest.mark.parametrize(("stage", "section"), [("prune", "pruning"), ("quantize", "quantization")])
def test_a_step_that_breaks_its_tolerance_stops_the_build(copy: Path, stage: str, section: str) -> None:
    shutil.rmtree(_folder(copy, stage))
    before = snapshot(copy / SYSTEM)
    command = [sys.executable, "-c", STAGE_WITH_TOLERANCE, str(copy), stage, section]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert line.startswith(f"error: the {stage} step costs too much ")
    assert ", a drop of " in line
    assert "expected a drop of at most -2.0000. Train longer, compress less" in line
    assert not _folder(copy, stage).exists()
    after = snapshot(copy / SYSTEM)
    assert {name: after[name] for name in before} == before
    assert {Path(name).parts[0] for name in after.keys() - before.keys()} <= {f"{stage}.progress", "logs"}


@pytest.mark.timeout(900)
def test_a_build_killed_at_random_moments_is_completed(
    built: Built, repeated: Repeated, tmp_path: Path
) -> None:
    artifacts = tmp_path / "artifacts"
    hits = pipelines.kill_again_and_again(
        built.data, artifacts, kills=3, whole_s=built.processor_s, startup_s=repeated.processor_s, seed=0
    )
    assert hits > 0
    run_pipeline(built.data, artifacts)
    check_published(artifacts)
    assert pipelines.weights(artifacts) == pipelines.weights(built.artifacts)
    leftovers = [path.name for path in (artifacts / SYSTEM).iterdir() if "progress" in path.name]
    assert leftovers == []
