"""The benchmarks against the real server, run as a user runs them, for so short that figures mean nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.triton.served import ROOT, photo
from trifuse.artifacts import digest
from trifuse.client import TritonClient
from trifuse.serving.embedded import EmbeddedTriton
from trifuse.serving.versions import published_versions

PERCENTILES = ("p50", "p90", "p95", "p99", "max")
PERF_ANALYZER = ROOT / "artifacts" / "perf_analyzer"

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def run(product_server: EmbeddedTriton, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a benchmark with --json, whose last line of standard output is the report."""
    folder = tmp_path_factory.mktemp("work")
    urls = {"grpc": product_server.grpc_url, "http": product_server.http_url}

    def run(script: str, *arguments: object, protocol: str = "grpc") -> dict[str, Any]:
        connection = ("--url", urls[protocol], "--protocol", protocol, "--json")
        command = [sys.executable, ROOT / "benchmarks" / script, "product", *arguments, *connection]
        finished = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            cwd=folder,
            env=os.environ | {"COLUMNS": "120"},
            timeout=120,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        found = json.loads(finished.stdout.splitlines()[-1])
        assert isinstance(found, dict)
        return found

    return run


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(3):
        (folder / f"{seed}.jpg").write_bytes(photo(seed))
    return folder


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_load_is_measured_and_drawn(
    run: Run, photos: Path, product_artifacts: Path, tmp_path: Path, protocol: str
) -> None:
    load = ("--concurrency", 1, 4, "--rate", 20, "--p99-ms", 1000, "--seconds", 0.5)
    payloads = ("--image", photos, "--text", "红色 red", "白色 white")
    options = ("--ensemble", "product_match", "--requests", 5, "--warm-up", 2, "--output", tmp_path)
    found = run("latency.py", *load, *payloads, *options, protocol=protocol)
    assert found["payloads"] == {"product_match": 3}
    points = found["load"]["product_match"]
    assert [(point["kind"], point["size"]) for point in points[:3]] == [
        ("clients", 1),
        ("clients", 4),
        ("rate", 20.0),
    ]
    assert points[-1]["kind"] == "p99"
    assert points[-1]["p99"] <= 1000
    for point in points[:3]:
        assert point["failures"] == point["unsent"] == 0
        assert 0 < point["p50"] <= point["p90"] <= point["p95"] <= point["p99"] <= point["max"]
        assert point["steps_ms"]["product_image_encoder"]["compute_infer"] > 0
        assert {"product_image_encoder", "product_preprocess"} <= point["workers"].keys()
        assert point["server_memory_mb"] > 50
    assert sum(point["server_cores"] for point in points) > 0
    repository = product_artifacts / "model_repository"
    bundle = published_versions(repository, "product")[1]
    assert (found["profile"], found["contract_hash"]) == ("smoke", bundle.contract_hash)
    assert found["versions"] == {"product_match": "1"}
    assert found["published"]["1"]["files"]["fusion.onnx"] == digest(
        repository / "product_fusion" / "1" / "model.onnx"
    )
    assert json.loads((tmp_path / "latency.json").read_text(encoding="utf-8")) == found
    assert (tmp_path / "product_match.png").read_bytes().startswith(b"\x89PNG")
    assert "product_match under load" in (tmp_path / "latency.html").read_text(encoding="utf-8")


def test_loadgen_runs_its_scenarios_and_compares_the_payloads_answers(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    payloads = ("--image", photos, "--ensemble", "product_embed_image")
    brief = ("--seconds", 0.5, "--queries", 20, "--rate", 20, "--output", tmp_path)
    found = run("scenarios.py", *payloads, *brief, protocol="http")
    scenarios = found["scenarios"]["product_embed_image"]
    assert list(scenarios) == ["SingleStream", "Server", "Offline"]
    # Fewer than 459 queries tell no p99, which LoadGen says of Server.
    assert scenarios["SingleStream"]["result"] == "VALID"
    assert scenarios["Server"]["unmet"][-1] == "Early stopping"
    assert all(row["per_second"] > 1 and row["p50"] <= row["p99"] for row in scenarios.values())
    assert found["accuracy"]["requests"] == 3
    # Requests that share a batch differ in the last digits.
    assert found["accuracy"]["largest_difference"] < 1e-4
    summary = tmp_path / "product" / "product_embed_image" / "Server" / "mlperf_log_summary.txt"
    assert "Scenario : Server" in summary.read_text(encoding="utf-8")


def test_loadgens_accuracy_mode_measures_the_systems_quality(
    run: Run, product_artifacts: Path, product_server: EmbeddedTriton, tmp_path: Path
) -> None:
    data = product_artifacts.parent / "data"
    brief = ("--scenario", "SingleStream", "--seconds", 0.2, "--queries", 5, "--output", tmp_path)
    found = run("scenarios.py", "--data", data, *brief)["accuracy"]
    assert found["requests"] > 1
    assert found["headline"] == pytest.approx(found["direct"], abs=0.02)
    assert "match_auc" in found["headline"]
    assert found["data"] == digest(data / "manifest.jsonl")
    with TritonClient(product_server.grpc_url) as triton:
        assert triton.is_ready()


def test_perf_analyzer_gets_the_same_payloads(run: Run, photos: Path, tmp_path: Path) -> None:
    if not (PERF_ANALYZER / "installed").is_file():
        pytest.skip("perf_analyzer is not installed: run benchmarks/perf_analyzer.py once")
    options = (
        "--rounds",
        1,
        "--clients",
        2,
        "--seconds",
        1.5,
        "--folder",
        PERF_ANALYZER,
        "--output",
        tmp_path,
    )
    found = run("perf_analyzer.py", "--image", photos, "--text", "红色", *options)
    [row] = found["comparison"]["product_match"]
    assert row["clients"] == 2
    for name in ("per_second", "p50", "p90", "p99"):
        assert row["ratio"][name] == pytest.approx(row["ours"][name] / row["perf_analyzer"][name])
        assert 0.1 < row["ratio"][name] < 10
