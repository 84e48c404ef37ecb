"""The build chain killed often: nothing half-written is ever left, and it always comes to the same end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.triton import pipelines
from tests.triton.served import script

KILLS, BUILDS = 5, 4


@pytest.mark.timeout(3600)
def test_twenty_kills(tmp_path: Path) -> None:
    data, whole = tmp_path / "data", tmp_path / "whole"
    script("build/generate.py", pipelines.SYSTEM, "--output", data, "--items", 160)
    whole_s, startup_s = (pipelines.time_pipeline(data, whole)[1] for _ in ("a build", "nothing to do"))
    hits = 0
    for seed in range(1, BUILDS + 1):
        artifacts = tmp_path / f"{seed}"
        hits += pipelines.kill_again_and_again(
            data, artifacts, kills=KILLS, whole_s=whole_s, startup_s=startup_s, seed=seed
        )
        pipelines.run_pipeline(data, artifacts)
        pipelines.check_published(artifacts)
        assert pipelines.weights(artifacts) == pipelines.weights(whole)
        assert pipelines.steps_run(pipelines.run_pipeline(data, artifacts)) == []
    print(f"\n{hits} of {BUILDS * KILLS} kills hit a running build of {whole_s:.0f} s of computing")
    assert hits > BUILDS * KILLS // 2
