"""The surveillance system through the real server: equal to training, and firm on bad input."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from tests.core.movies import movie, tone
from tests.triton.served import script
from trifuse import systems
from trifuse.catalog import Item, read_catalog
from trifuse.client import AsyncTritonClient, TritonClient
from trifuse.client.encoding import bytes_tensor
from trifuse.errors import InputError
from trifuse.preprocessing.text import TOKENIZER, TextEncoder
from trifuse.serving.canary import run_canaries
from trifuse.serving.embedded import EmbeddedTriton, free_ports
from trifuse.systems.surveillance.client import AsyncSurveillanceClient, SurveillanceClient, Window
from trifuse.systems.surveillance.contract import EVENTS, SCENE_DIM
from trifuse.systems.surveillance.data import load_clips
from trifuse.systems.surveillance.served_quality import watched_windows
from trifuse.training.clips.bench import loader
from trifuse.training.clips.evaluation import pixels_of

CONTRACT = systems.contract("surveillance", "smoke")
ITEMS = 48


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The surveillance system's smoke profile, made by the real scripts."""
    folder = tmp_path_factory.mktemp("surveillance")
    artifacts, data = folder / "artifacts", folder / "data"
    script("build/generate.py", "surveillance", "--output", data, "--items", ITEMS)
    options = ("--profile", "smoke", "--data", data, "--artifacts", artifacts)
    script("build/train.py", "surveillance", *options)
    script("build/export_onnx.py", "surveillance", "--artifacts", artifacts)
    script("build/publish.py", "surveillance", "--artifacts", artifacts)
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
def client(triton: TritonClient) -> SurveillanceClient:
    return SurveillanceClient(triton)


@pytest.fixture(scope="module")
def manifest(artifacts: Path) -> Path:
    return artifacts.parent / "data" / "manifest.jsonl"


@pytest.fixture(scope="module")
def windows(manifest: Path) -> list[Window]:
    """Every line of the manifest, decoded as clients decode."""
    settings = CONTRACT.settings
    shape = (cast("int", settings["frame_count"]), cast("int", settings["frame_size"]))
    return watched_windows(read_catalog(manifest), manifest.parent, shape)


def full_window(windows: Sequence[Window]) -> Window:
    whole = next(window for window in windows if window.text is not None and window.pcm is not None)
    return Window(whole.frames, whole.pcm, whole.text or "安静 quiet", np.full(SCENE_DIM, 0.5, np.float32))


def test_training_and_serving_see_the_same(
    triton: TritonClient, artifacts: Path, manifest: Path, windows: list[Window]
) -> None:
    """Frames and ids to the bit; MFCC within what two versions of numpy differ by."""
    tokenizer = artifacts / "surveillance" / "train" / "assets" / TOKENIZER
    encode = TextEncoder.load(tokenizer, cast("Sequence[int]", CONTRACT.settings["text_lengths"]))
    history_s = cast("float", CONTRACT.settings["scene_history_s"])
    loaded = load_clips(read_catalog(manifest), manifest, loader(CONTRACT), encode, history_s)
    pixels = pixels_of(loaded.decoded.frames, loader(CONTRACT).video).numpy()
    for index, window in enumerate(windows):
        parts = {
            "frames": window.frames,
            "pcm": window.pcm,
            "text": None if window.text is None else np.array([window.text.encode()], object),
            "scene": window.scene,
        }
        inputs = {name: value[None] for name, value in parts.items() if value is not None}
        served = triton.infer("surveillance_preprocess", inputs)
        np.testing.assert_array_equal(served["pixel_values"][0], pixels[index])
        np.testing.assert_array_equal(served["mfcc_lengths"][0], loaded.decoded.lengths[index].numpy())
        np.testing.assert_allclose(served["mfcc"][0], loaded.decoded.mfcc[index].numpy(), atol=1e-3)
        np.testing.assert_array_equal(served["evidence"][0], loaded.extras["evidence"][index].numpy())
        np.testing.assert_array_equal(served["present"][0], loaded.present[index].numpy())
        length = int(served["attention_mask"][0].sum())
        np.testing.assert_array_equal(served["input_ids"][0][:length], loaded.input_ids[index][:length])


def whole_files(manifest: Path) -> list[Item]:
    return [item for item in read_catalog(manifest) if not {"end_s", "subtitles"} & item.attributes.keys()]


def test_the_server_decodes_clips_as_clients_do(
    client: SurveillanceClient, manifest: Path, windows: list[Window]
) -> None:
    places = {item.id: place for place, item in enumerate(read_catalog(manifest))}
    items = whole_files(manifest)[:10]
    decoded = client.assess_many([windows[places[item.id]] for item in items])
    for item, expected in zip(items, decoded, strict=True):
        found = client.assess_clip(item.path)
        assert found.abnormal == pytest.approx(expected.abnormal, abs=1e-5)
        assert found.events == pytest.approx(expected.events, abs=1e-5)


@pytest.mark.parametrize(
    "kept", [kept for size in (1, 2, 3, 4) for kept in combinations(("frames", "pcm", "text", "scene"), size)]
)
def test_every_subset_of_the_modalities_is_answered(
    triton: TritonClient, client: SurveillanceClient, windows: list[Window], kept: tuple[str, ...]
) -> None:
    whole = full_window(windows)
    window = Window(**{name: getattr(whole, name) for name in kept})
    found = client.assess(window)
    assert 0 <= found.abnormal <= 1
    assert found.events.keys() == set(EVENTS)
    assert found.thresholds.keys() == {"abnormal", *EVENTS}
    assert found.version == 1


def test_windows_of_all_kinds_keep_their_order(client: SurveillanceClient, windows: list[Window]) -> None:
    together = client.assess_many(windows)
    for place in range(0, len(windows), 7):
        alone = client.assess(windows[place])
        assert together[place].abnormal == pytest.approx(alone.abnormal, abs=1e-5)
    assert len({round(found.abnormal, 4) for found in together}) > len(windows) // 2


def test_the_transports_agree(
    server: EmbeddedTriton, client: SurveillanceClient, windows: list[Window]
) -> None:
    expected = client.assess_many(windows[:12])
    with TritonClient(server.http_url, protocol="http") as http:
        assert SurveillanceClient(http).assess_many(windows[:12]) == expected

    async def ask() -> object:
        async with AsyncTritonClient(server.grpc_url) as asynchronous:
            return await AsyncSurveillanceClient(asynchronous).assess_many(windows[:12])

    assert asyncio.run(ask()) == expected


def clip(seconds: float = 2.0, fps: float = 10.0) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        sound = tone(seconds)
        return movie(Path(folder) / "clip.mp4", seconds=seconds, fps=fps, sound=sound).read_bytes()


BAD_CLIPS = {
    "an empty file": (b"", "clip"),
    "no media file": (b"not a movie at all" * 100, "clip"),
    "half a file": (clip()[:600], "clip"),
    "a long file": (clip(9, 5), "longer than a window"),
}


@pytest.mark.parametrize("name", BAD_CLIPS)
def test_a_bad_clip_fails_alone(client: SurveillanceClient, name: str) -> None:
    """Good requests that run at the same time are answered as ever."""
    bad, sentence = BAD_CLIPS[name]
    good = clip()
    expected = client.assess_clip(good)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(client.assess_clip, good if index % 2 else bad) for index in range(16)]
        for index, answer in enumerate(answers):
            if index % 2:
                assert answer.result().abnormal == pytest.approx(expected.abnormal, abs=1e-5)
            else:
                with pytest.raises(InputError, match=sentence):
                    answer.result()


def test_numbers_that_are_none_are_refused(client: SurveillanceClient, windows: list[Window]) -> None:
    whole = full_window(windows)
    pcm = np.zeros(16_000, np.float32)
    pcm[5] = np.nan
    with pytest.raises(InputError, match=r"input 'pcm'.*not numbers"):
        client.assess(Window(whole.frames, pcm))
    with pytest.raises(InputError, match="input 'scene'"):
        client.assess(Window(whole.frames, scene=np.full(SCENE_DIM, np.inf, np.float32)))


def test_wrong_frames_are_refused_with_what_was_expected(triton: TritonClient) -> None:
    with pytest.raises(InputError, match=r"frames.*8, 56, 56, 3"):
        triton.infer("surveillance", {"frames": np.zeros((1, 8, 64, 64, 3), np.uint8)})
    with pytest.raises(InputError, match="frames"):
        triton.infer("surveillance", {"frames": np.zeros((1, 8, 56, 56, 3), np.float32)})


def test_one_item_of_a_batch_is_named(triton: TritonClient) -> None:
    clips = bytes_tensor([clip(), b"rubbish", clip()])
    with pytest.raises(InputError, match="item 1 of 3"):
        triton.infer("surveillance_clip", {"clip": clips})
