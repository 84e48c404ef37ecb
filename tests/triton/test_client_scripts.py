"""The client and benchmark scripts against the real server, run as a user runs them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.triton.served import ROOT, photo
from trifuse import systems
from trifuse.catalog import Item, read_catalog
from trifuse.client import TritonClient
from trifuse.contracts import EnsembleSpec
from trifuse.serving.embedded import EmbeddedTriton
from trifuse.systems.product.client import Product, ProductClient

PROTOCOLS = ["grpc", "http"]
SPLIT = "validation"
ENSEMBLES = systems.contract("product", "smoke").ensembles
TITLE = "简约白色连衣裙 simple white dress"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def manifest(product_artifacts: Path) -> Path:
    return product_artifacts.parent / "data" / "manifest.jsonl"


@pytest.fixture(scope="module")
def items(manifest: Path) -> list[Item]:
    return read_catalog(manifest, SPLIT)


@pytest.fixture(scope="module")
def run(product_server: EmbeddedTriton, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a script against the server, all in one working folder, where the scripts keep their files."""
    folder = tmp_path_factory.mktemp("work")
    urls = {"grpc": product_server.grpc_url, "http": product_server.http_url}

    def run(
        script: str, *arguments: object, protocol: str = "grpc", url: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        connection = ("--url", url or urls[protocol], "--protocol", protocol)
        command = [sys.executable, ROOT / script, *arguments, *connection]
        return subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            cwd=folder,
            env=os.environ | {"COLUMNS": "120"},
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def products(product_server: EmbeddedTriton) -> Iterator[ProductClient]:
    """Ask the library what the scripts should find."""
    with TritonClient(product_server.grpc_url) as client:
        yield ProductClient(client)


def answer(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Read the one JSON object that a script with --json may print."""
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("\n") == 1
    found = json.loads(finished.stdout)
    assert isinstance(found, dict)
    return found


def shown(finished: subprocess.CompletedProcess[str]) -> str:
    """Read what a script prints for people, without the frames and line breaks of its tables."""
    assert finished.returncode == 0, finished.stderr
    return " ".join(word for word in finished.stdout.split() if word.isascii() or word.isalnum())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_match_reports_the_score(run: Run, products: ProductClient, items: list[Item], protocol: str) -> None:
    image = items[0].path
    found = answer(run("clients/match.py", image, TITLE, "--json", protocol=protocol))
    expected = products.match(image, TITLE)
    assert found == {
        "image": str(image),
        "text": TITLE,
        "score": pytest.approx(expected.score, abs=1e-5),
        "verdict": "match" if expected.is_match else "no match",
        "version": 1,
    }
    assert 0 <= found["score"] <= 1


def test_match_tells_people_the_verdict(run: Run, products: ProductClient, items: list[Item]) -> None:
    expected = products.match(items[0].path, TITLE)
    verdict = "match" if expected.is_match else "no match"
    told = f"{verdict} (score {expected.score:.3f}, version 1)"
    assert shown(run("clients/match.py", items[0].path, TITLE)) == told


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("ensemble", ENSEMBLES, ids=lambda ensemble: ensemble.name)
def test_infer_gives_every_output_of_an_ensemble(
    run: Run, products: ProductClient, items: list[Item], ensemble: EnsembleSpec, protocol: str
) -> None:
    image = items[0].path
    values = {"image": image, "text": TITLE}
    options = [part for spec in ensemble.inputs for part in (f"--{spec.name}", values[spec.name])]
    found = answer(run("clients/infer.py", "product", ensemble.name, *options, "--json", protocol=protocol))
    matched = products.match(image, TITLE)
    expected = {
        "match_score": [matched.score],
        "fused": matched.fused,
        "image_embedding": products.embed_image([image])[0],
        "text_embedding": products.embed_text([TITLE])[0],
        "product_embedding": products.embed([Product(image, TITLE)])[0],
        "image_tokens": products.describe([Product(image, TITLE)]).image_tokens[0],
    }
    assert (found["model"], found["version"]) == (f"product_{ensemble.name}", 1)
    assert found["outputs"].keys() == {spec.name for spec in ensemble.outputs}
    for name, output in found["outputs"].items():
        np.testing.assert_allclose(output, expected[name], atol=1e-5, err_msg=name)


def test_infer_shows_people_every_output(run: Run, items: list[Item]) -> None:
    text = shown(run("clients/infer.py", "product", "--image", items[0].path, "--text", TITLE))
    assert "product_match, version 1" in text
    assert "match_score float32 [1]" in text
    assert "fused float32 [256]" in text


def test_infer_sends_the_content_of_a_file(run: Run, products: ProductClient, tmp_path: Path) -> None:
    (tmp_path / "title.txt").write_text(TITLE, encoding="utf-8")
    options = ("product", "embed_text", "--text", f"@{tmp_path / 'title.txt'}", "--json")
    found = answer(run("clients/infer.py", *options))
    expected = products.embed_text([TITLE])[0]
    np.testing.assert_allclose(found["outputs"]["text_embedding"], expected, atol=1e-5)


def test_the_latency_benchmark_measures_every_ensemble(run: Run) -> None:
    options = ("product", "--requests", 4, "--warm-up", 1, "--json")
    found = answer(run("benchmarks/latency.py", *options, protocol="http"))
    names = {f"product_{ensemble.name}" for ensemble in ENSEMBLES}
    assert (found["system"], found["protocol"], found["requests"]) == ("product", "http", 4)
    assert found["latency_ms"].keys() == found["versions"].keys() == names
    assert set(found["versions"].values()) == {"1"}
    for row in found["latency_ms"].values():
        assert 0 < row["p50"] <= row["p90"] <= row["p99"]


def test_the_latency_benchmark_shows_people_a_table(run: Run) -> None:
    text = shown(run("benchmarks/latency.py", "product", "--requests", 1, "--warm-up", 1))
    assert "one grpc client, batch 1, 1 requests" in text
    assert all(f"product_{ensemble.name}" in text for ensemble in ENSEMBLES)


def test_the_quality_benchmark_measures_the_split(run: Run, manifest: Path, items: list[Item]) -> None:
    found = answer(run("benchmarks/quality.py", "product", "--data", manifest.parent, "--json"))
    assert (found["system"], found["split"], found["photos"]) == ("product", SPLIT, len(items))
    titles = {"zh": {item.title_zh for item in items}, "en": {item.title_en for item in items}}
    assert found["languages"].keys() == titles.keys()
    for language, report in found["languages"].items():
        assert report["queries"] == len(titles[language])
        assert report["quality"].keys() == {"category", "colour", "both"}
        for criterion, quality in report["quality"].items():
            assert 0 <= quality["p_at_10"] <= report["reference"][criterion]["ceiling"] <= 1
            assert 0 <= quality["r_precision"] <= 1


def test_the_quality_benchmark_shows_people_a_table(run: Run, manifest: Path, items: list[Item]) -> None:
    text = shown(run("benchmarks/quality.py", "product", "--data", manifest))
    assert f"{len(items)} photos" in text
    assert "R-precision" in text


@pytest.mark.parametrize("script", ["clients/match.py", "clients/infer.py"])
def test_a_damaged_photo_exits_with_3_and_the_servers_sentence(run: Run, tmp_path: Path, script: str) -> None:
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(photo(1)[:-400])
    arguments = {
        "clients/match.py": (damaged, "dress"),
        "clients/infer.py": ("product", "embed_image", "--image", damaged),
    }
    finished = run(script, *arguments[script], "--json")
    assert finished.returncode == 3
    reported = json.loads(finished.stdout)["error"]
    assert reported["type"] == "InputError"
    assert "the image is damaged" in reported["message"]
    assert finished.stderr == f"error: {reported['message']}\n"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_server_exits_with_4(run: Run, protocol: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{holder.getsockname()[1]}"
        finished = run("benchmarks/latency.py", "product", "--json", protocol=protocol, url=url)
    assert finished.returncode == 4
    assert json.loads(finished.stdout)["error"]["type"] == "ServerUnavailableError"
