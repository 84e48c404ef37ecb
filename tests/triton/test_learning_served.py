"""The learning system through the real server: what training sees, and a lesson that becomes a report."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from tests.triton.served import script
from trifuse import systems
from trifuse.catalog import read_catalog
from trifuse.catalog_windows import read_windows
from trifuse.client import TritonClient
from trifuse.errors import InputError, RequestError
from trifuse.preprocessing.text import TOKENIZER, TextEncoder
from trifuse.preprocessing.window import Window
from trifuse.serving.canary import run_canaries
from trifuse.serving.embedded import EmbeddedTriton, free_ports
from trifuse.systems.learning.client import LearningClient
from trifuse.systems.learning.generator import write_lesson
from trifuse.training.clips.bench import loader
from trifuse.training.clips.data import Clips
from trifuse.training.clips.evaluation import pixels_of

CONTRACT = systems.contract("learning", "smoke")
SETTINGS = CONTRACT.settings
ITEMS = 60


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The learning system's smoke profile, made by the real scripts."""
    folder = tmp_path_factory.mktemp("learning")
    artifacts, data = folder / "artifacts", folder / "data"
    script("build/generate.py", "learning", "--output", data, "--items", ITEMS)
    script("build/train.py", "learning", "--profile", "smoke", "--data", data, "--artifacts", artifacts)
    script("build/export_onnx.py", "learning", "--artifacts", artifacts)
    script("build/publish.py", "learning", "--artifacts", artifacts)
    return artifacts


@pytest.fixture(scope="module")
def server(artifacts: Path, server_environment: Path) -> Iterator[EmbeddedTriton]:
    ports = dict(zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
    with EmbeddedTriton(
        artifacts / "model_repository",
        server_environment=server_environment,
        canary=lambda server: run_canaries(server.grpc_url, [CONTRACT]),
        **ports,
    ) as server:
        yield server


@pytest.fixture
def triton(server: EmbeddedTriton) -> Iterator[TritonClient]:
    with TritonClient(server.grpc_url) as client:
        yield client


@pytest.fixture
def client(triton: TritonClient) -> LearningClient:
    return LearningClient(triton)


@pytest.fixture(scope="module")
def manifest(artifacts: Path) -> Path:
    return artifacts.parent / "data" / "manifest.jsonl"


@pytest.fixture(scope="module")
def windows(manifest: Path) -> list[Window]:
    shape = (cast("int", SETTINGS["frame_count"]), cast("int", SETTINGS["frame_size"]))
    return read_windows(read_catalog(manifest), manifest.parent, SETTINGS, shape)


def test_training_and_serving_see_the_same(
    triton: TritonClient, artifacts: Path, manifest: Path, windows: list[Window]
) -> None:
    """Frames and ids to the bit; MFCC within what two versions of numpy differ by."""
    tokenizer = artifacts / "learning" / "train" / "assets" / TOKENIZER
    encode = TextEncoder.load(tokenizer, cast("Sequence[int]", SETTINGS["text_lengths"]))
    decoded = loader(CONTRACT).load(read_catalog(manifest), manifest)
    clips = Clips.of(decoded, encode, torch.zeros(len(windows)))
    pixels = pixels_of(decoded.frames, loader(CONTRACT).video).numpy()
    for index, window in enumerate(windows[:20]):
        parts = {
            "frames": window.frames,
            "pcm": window.pcm,
            "text": None if window.text is None else np.array([window.text.encode()], object),
        }
        inputs = {name: value[None] for name, value in parts.items() if value is not None}
        served = triton.infer("learning_preprocess", inputs)
        np.testing.assert_array_equal(served["pixel_values"][0], pixels[index])
        np.testing.assert_allclose(served["mfcc"][0], decoded.mfcc[index].numpy(), atol=1e-3)
        np.testing.assert_array_equal(served["present"][0], clips.present[index].numpy())
        length = int(served["attention_mask"][0].sum())
        np.testing.assert_array_equal(served["input_ids"][0][:length], clips.input_ids[index][:length])


def test_the_server_decodes_clips_as_clients_do(
    client: LearningClient, manifest: Path, windows: list[Window]
) -> None:
    items = read_catalog(manifest)
    places = [place for place, item in enumerate(items) if "subtitles" not in item.attributes][:8]
    decoded = client.observe_many([windows[place] for place in places])
    for place, expected in zip(places, decoded, strict=True):
        found = client.observe_clip(items[place].path)
        assert found.levels == pytest.approx(expected.levels, abs=1e-4)
        assert found.behaviours == pytest.approx(expected.behaviours, abs=1e-4)


def test_any_subset_of_the_modalities_is_answered(client: LearningClient, windows: list[Window]) -> None:
    whole = next(one for one in windows if one.text is not None and one.pcm is not None)
    subsets = [
        Window(frames, pcm, text)
        for frames in (whole.frames, None)
        for pcm in (whole.pcm, None)
        for text in (whole.text, None)
    ][:-1]
    for found in client.observe_many(subsets):
        assert sum(found.behaviours.values()) == pytest.approx(1, abs=1e-4)
        assert sum(found.levels) == pytest.approx(1, abs=1e-4)
    with pytest.raises(InputError, match="a window is empty"):
        client.observe(Window())


def test_a_bad_window_fails_alone(client: LearningClient, windows: list[Window]) -> None:
    with pytest.raises((InputError, RequestError), match="not numbers"):
        client.observe(Window(pcm=np.full(100, np.nan, np.float32)))
    with pytest.raises((InputError, RequestError), match=r"not a recording"):
        client.observe_clip(b"no film")
    assert client.observe(windows[0]).version == 1


def test_quality_is_measured_through_the_server(server: EmbeddedTriton, manifest: Path) -> None:
    shown = script("benchmarks/quality.py", "learning", "--data", manifest, "--url", server.grpc_url)
    assert "macro-F1" in shown.stdout


def test_a_lesson_becomes_a_report_and_goes_on_where_it_was(server: EmbeddedTriton, tmp_path: Path) -> None:
    lesson = write_lesson(tmp_path / "lesson", minutes=0.5, learners=3, seed=1)
    output = tmp_path / "report"
    to = ("--output", output, "--url", server.grpc_url)
    command = ("clients/report.py", lesson, *to, "--bin-s", 10, "--json")
    first = json.loads(script(*command).stdout)
    assert first["windows"] == 3 * 6
    rows = list(csv.DictReader((output / "scores.csv").open(encoding="utf-8")))
    assert {row["version"] for row in rows if row["observed"] == "yes"} == {"1"}
    # The second camera is off for a while.
    assert sum(row["observed"] == "no" for row in rows) >= 1
    names = {path.suffix for path in output.rglob("*") if path.is_file()}
    assert names == {".csv", ".html", ".png"}
    kept = (output / "scores.csv").read_bytes()
    again = json.loads(script(*command).stdout)
    assert again == first
    assert (output / "scores.csv").read_bytes() == kept
