"""Versions that are swapped for minutes, under load: nothing fails, nothing mixes, memory does not grow."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import pytest

from tests.triton.adding import write_adding_export
from tests.triton.served import ROOT, resident_mb
from tests.triton.swapping import CONTRACT, STEP, SYSTEM, THREADS, Load, embedded
from trifuse.serving.live import LiveServer
from trifuse.serving.repository import publish
from trifuse.serving.server_environment import default_location
from trifuse.serving.switching import rollback

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))


@pytest.mark.timeout(MINUTES * 60 + 300)
def test_swaps_lose_and_mix_nothing(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for version in (1, 2):
        export = write_adding_export(tmp_path / f"{version}", CONTRACT, STEP * version, words=version)
        publish(export, models, CONTRACT, ROOT / "model_repository")
    durations_ms: list[float] = []
    memory_mb: list[float] = []
    with embedded(models, default_location()) as triton, LiveServer(triton.grpc_url) as server:
        deadline = time.monotonic() + MINUTES * 60
        with Load(triton.grpc_url) as load:
            while time.monotonic() < deadline:
                version = 1 + len(durations_ms) % 2
                started = time.monotonic()
                rollback(models, SYSTEM, version, server)
                durations_ms.append((time.monotonic() - started) * 1000)
                load.wait_for(version)
                memory_mb.append(resident_mb(models))
    assert load.failures == []
    early_mb, late_mb = memory_mb[len(memory_mb) // 5], memory_mb[-1]
    print(
        f"\n{THREADS} clients, {load.answers.total()} answers, {len(durations_ms)} swaps: median "
        f"{statistics.median(durations_ms):.0f} ms, longest {max(durations_ms):.0f} ms, "
        f"memory {early_mb:.0f} -> {late_mb:.0f} MB"
    )
    assert late_mb < early_mb * 1.1 + 20
