"""The whole chain run as a user runs it, killed at random moments, and what must hold after each kill."""

from __future__ import annotations

import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from tests.triton.served import ROOT
from trifuse import systems
from trifuse.artifacts import digest, stage_folder, verify
from trifuse.serving.versions import check_digests, published_systems, published_versions

SYSTEM = "product"
CONTRACT = systems.contract(SYSTEM, "smoke")
STAGES = ("train", "distill", "prune", "export", "quantize", "report")
STEPS = (*STAGES[:-1], "publish", "report")
DETERMINISTIC = ("train", "distill", "prune")
# One thread: the models are tiny, and threads that wait for each other burn time on a busy machine.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def command(data: Path, artifacts: Path) -> list[str]:
    """Write the command line of a smoke build."""
    options = ("--profile", "smoke", "--data", data, "--artifacts", artifacts)
    return [sys.executable, str(ROOT / "build" / "pipeline.py"), SYSTEM, *map(str, options)]


def run_pipeline(data: Path, artifacts: Path) -> str:
    """Run the chain to its end and return what it printed."""
    output, _ = time_pipeline(data, artifacts)
    return output


def time_pipeline(data: Path, artifacts: Path) -> tuple[str, float]:
    """Run the chain to its end and return what it printed, and its processor time in seconds."""
    before = os.times()
    done = subprocess.run(
        command(data, artifacts), capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT, check=False
    )
    after = os.times()
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    used = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return done.stdout, used


def steps_run(output: str) -> list[str]:
    """Read off which steps a run did; those that it skipped must be all others."""
    ran, skipped = (
        re.findall(r"^▸ (\w+)", output, re.MULTILINE),
        re.findall(r"^✓ (\w+) is up to date", output, re.MULTILINE),
    )
    assert sorted([*ran, *skipped]) == sorted(STEPS)
    return ran


def weights(artifacts: Path) -> dict[str, str]:
    """Identify the weights of the trained stages."""
    folders = {stage: stage_folder(artifacts, SYSTEM, stage) for stage in DETERMINISTIC}
    return {stage: digest(folder / "model.safetensors") for stage, folder in folders.items()}


def check_published(artifacts: Path) -> None:
    """Assert that the latest version is served, and is what the quantisation made."""
    repository, stage = artifacts / "model_repository", stage_folder(artifacts, SYSTEM, "quantize")
    ((_, served),) = published_systems(repository)
    assert served == max(published_versions(repository, SYSTEM))
    for part in CONTRACT.parts:
        published = repository / CONTRACT.model_name(part.name) / str(served) / "model.onnx"
        assert published.read_bytes() == (stage / f"{part.name}.onnx").read_bytes()
    shim = repository / CONTRACT.model_name("preprocess") / str(served)
    for asset in (stage / "assets").iterdir():
        assert (shim / asset.name).read_bytes() == asset.read_bytes()


def kill_again_and_again(
    data: Path, artifacts: Path, *, kills: int, whole_s: float, startup_s: float, seed: int
) -> int:
    """Kill the chain so often on its way through one build; returns how many kills hit it before its end.

    The moments are drawn over the processor time of a whole run, `whole_s`, which other work on the machine
    changes less than the clock's. Every run starts where the one before it was killed, after `startup_s`.
    """
    rng = random.Random(seed)
    moments = sorted(rng.uniform(0, whole_s) for _ in range(kills))
    hits = 0
    for before, moment in pairwise([0.0, *moments]):
        until_s = moment - before + (startup_s if before else 0)
        hits += _kill_after(until_s, rng.uniform(0, 1), data, artifacts)
        _check_left(artifacts)
    return hits


def _kill_after(processor_s: float, delay_s: float, data: Path, artifacts: Path) -> bool:
    """Run the chain for a processor time, and a delay for when it waits for others, and kill its group.

    Returns whether it still ran.
    """
    with tempfile.TemporaryFile("w+") as errors:
        chain = subprocess.Popen(
            command(data, artifacts),
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        while chain.poll() is None and _processor_time(chain.pid) < processor_s:
            time.sleep(0.01)
        try:
            status = chain.wait(delay_s)
        except subprocess.TimeoutExpired:
            os.killpg(chain.pid, signal.SIGKILL)
            chain.wait()
            return True
        errors.seek(0)
        assert status == 0, errors.read()
        return False


def _processor_time(process: int) -> float:
    """Read how long a process and its ended children have computed, in seconds."""
    try:
        stat = Path("/proc", str(process), "stat").read_text()
    except FileNotFoundError:
        return math.inf
    return sum(map(int, stat.rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")


def _check_left(artifacts: Path) -> None:
    """Assert that every stage is whole or absent, every version whole, one served, and no process left."""
    for stage in STAGES:
        folder = stage_folder(artifacts, SYSTEM, stage)
        if folder.exists():
            assert verify(folder, CONTRACT).stage == stage
    repository = artifacts / "model_repository"
    for _, served in published_systems(repository):
        bundles = published_versions(repository, SYSTEM)
        assert served in bundles
        for bundle in bundles.values():
            check_digests(repository, bundle)
    deadline = time.monotonic() + 30
    while left := _processes(artifacts):
        assert time.monotonic() < deadline, f"processes are left: {left}"
        time.sleep(0.1)


def _processes(artifacts: Path) -> list[str]:
    """Find the processes, of servers above all, whose command lines name the artifact root."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if bytes(artifacts) in line and int(folder.name) != os.getpid():
            found.append(line.replace(b"\0", b" ").decode())
    return found
