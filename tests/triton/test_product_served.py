"""The product system through the real server: equal to training, equal over protocols, right under load."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from tests.triton.served import assert_distinguishable, mixed_photos, photo, texts
from trifuse import systems
from trifuse.catalog import Item, read_catalog
from trifuse.client import AsyncTritonClient, TritonClient
from trifuse.client.encoding import bytes_tensor
from trifuse.contracts import SystemContract
from trifuse.preprocessing.image import ImageSettings
from trifuse.preprocessing.text import TOKENIZER, TextEncoder
from trifuse.serving.embedded import EmbeddedTriton
from trifuse.systems.product.client import AsyncProductClient, Match, Product, ProductClient
from trifuse.systems.product.data import load_data
from trifuse.systems.product.evaluation import pixels

CONTRACT: SystemContract = systems.contract("product", "smoke")
COUNT = 50


@pytest.fixture
def client(product_server: EmbeddedTriton) -> Iterator[TritonClient]:
    with TritonClient(product_server.grpc_url) as client:
        yield client


@pytest.fixture
def products(client: TritonClient) -> ProductClient:
    return ProductClient(client)


@pytest.fixture
def catalogue(tmp_path: Path) -> list[Item]:
    """Read back a catalogue of mixed photos with a text in each language."""
    words, rows = texts(COUNT), []
    for index, data in enumerate(mixed_photos(COUNT)):
        (tmp_path / f"{index}").write_bytes(data)
        titles = {"title_zh": words[index], "title_en": words[-1 - index]}
        rows.append(json.dumps({"id": f"{index}", "path": f"{index}", "split": "train"} | titles))
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(rows), encoding="utf-8")
    return read_catalog(manifest)


def test_training_and_serving_see_the_same_bits(
    client: TritonClient, product_artifacts: Path, catalogue: list[Item]
) -> None:
    """What training loads from a catalogue, Triton's preprocessing makes of each item alone."""
    settings = ImageSettings.of(CONTRACT.settings)
    tokenizer = product_artifacts / "product" / "train" / "assets" / TOKENIZER
    encoder = TextEncoder.load(tokenizer, cast("Sequence[int]", CONTRACT.settings["text_lengths"]))
    training = load_data(catalogue, encoder, settings, settings.image_size, facets={})
    trained_pixels = pixels(training.photos, settings).numpy()
    names = ["pixel_values", "input_ids", "attention_mask"]
    for index, item in enumerate(catalogue):
        for language, title in enumerate((item.title_zh, item.title_en)):
            inputs = {"image": bytes_tensor([item.path.read_bytes()]), "text": bytes_tensor([title.encode()])}
            served = client.infer("product_preprocess", inputs, names)
            assert served["pixel_values"].dtype == trained_pixels.dtype
            np.testing.assert_array_equal(served["pixel_values"][0], trained_pixels[index])
            # Training pads all items to one length, serving each request to the shortest that fits.
            mask, length = (
                training.titles.attention_mask[language, index].numpy(),
                len(served["input_ids"][0]),
            )
            ids = training.titles.input_ids[language, index].numpy()
            assert not mask[length:].any()
            np.testing.assert_array_equal(served["attention_mask"][0], mask[:length])
            np.testing.assert_array_equal(served["input_ids"][0][mask[:length] == 1], ids[mask == 1])


def test_a_batch_is_preprocessed_like_its_items(client: TritonClient) -> None:
    photos = mixed_photos(8)
    together = client.infer("product_preprocess", {"image": bytes_tensor(photos)}, ["pixel_values"])
    for index, image in enumerate(photos):
        alone = client.infer("product_preprocess", {"image": bytes_tensor([image])}, ["pixel_values"])
        np.testing.assert_array_equal(together["pixel_values"][index], alone["pixel_values"][0])


def test_the_image_changes_the_fused_vector(products: ProductClient) -> None:
    first, second = products.match_many([(photo(1), "white dress"), (photo(2), "white dress")])
    assert np.abs(first.fused - second.fused).max() > 1e-3


def test_one_word_changes_the_fused_vector(products: ProductClient) -> None:
    first, second = products.match_many([(photo(1), "simple white dress"), (photo(1), "simple black dress")])
    assert np.abs(first.fused - second.fused).max() > 1e-3


def test_a_permuted_batch_permutes_the_outputs(products: ProductClient) -> None:
    pairs = list(zip(mixed_photos(7), texts(7), strict=True))
    order = np.random.default_rng(0).permutation(7)
    matches = products.match_many(pairs)
    permuted = products.match_many([pairs[index] for index in order])
    for place, index in enumerate(order):
        np.testing.assert_allclose(permuted[place].fused, matches[index].fused, atol=1e-5)
        assert permuted[place].score == pytest.approx(matches[index].score, abs=1e-5)


def test_embeddings_are_unit_vectors_of_one_space(products: ProductClient) -> None:
    image, text = photo(4), "简约白色连衣裙"
    photos, titles = products.embed_image([image]), products.embed_text([text])
    both, only_image, only_text = products.embed(
        [Product(image, text), Product(image=image), Product(text=text)]
    )
    for vector in (photos[0], titles[0], both):
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(only_image, photos[0], atol=1e-5)
    np.testing.assert_allclose(only_text, titles[0], atol=1e-5)
    plane = np.linalg.lstsq(np.stack([photos[0], titles[0]]).T, both, rcond=None)[1]
    assert plane.max(initial=0) < 1e-8


def test_more_items_than_a_batch_keep_their_order(products: ProductClient) -> None:
    words = texts(70)
    together = products.embed_text(words)
    assert together.shape == (70, 256)
    assert_distinguishable(together, atol=1e-5)
    np.testing.assert_allclose(together[66], products.embed_text([words[66]])[0], atol=1e-5)


PAIRS = list(zip(mixed_photos(5), texts(5), strict=True))
MIXED = [Product(*PAIRS[0]), Product(image=PAIRS[1][0]), Product(text=PAIRS[2][1]), Product(*PAIRS[3])]


def _answers(products: ProductClient) -> dict[str, np.ndarray]:
    photos, words = zip(*PAIRS, strict=True)
    return _arrays(
        products.match_many(PAIRS),
        image=products.embed_image(photos),
        text=products.embed_text(words),
        both=products.embed(MIXED),
    )


async def _asynchronous_answers(url: str, protocol: str) -> dict[str, np.ndarray]:
    photos, words = zip(*PAIRS, strict=True)
    async with AsyncTritonClient(url, protocol=protocol) as client:
        products = AsyncProductClient(client)
        return _arrays(
            await products.match_many(PAIRS),
            image=await products.embed_image(photos),
            text=await products.embed_text(words),
            both=await products.embed(MIXED),
        )


def _arrays(matches: list[Match], **embeddings: np.ndarray) -> dict[str, np.ndarray]:
    scores, fused = np.array([match.score for match in matches]), np.stack([match.fused for match in matches])
    return {"scores": scores, "fused": fused} | embeddings


@pytest.mark.parametrize("asynchronous", [False, True], ids=["blocking", "asyncio"])
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_transports_agree(
    product_server: EmbeddedTriton, products: ProductClient, protocol: str, asynchronous: bool
) -> None:
    """Compare every transport with blocking gRPC, to the bit."""
    expected = _answers(products)
    url = {"grpc": product_server.grpc_url, "http": product_server.http_url}[protocol]
    if asynchronous:
        found = asyncio.run(_asynchronous_answers(url, protocol))
    else:
        with TritonClient(url, protocol=protocol) as client:
            found = _answers(ProductClient(client))
    for name, values in expected.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values, err_msg=name)


Call = Callable[[ProductClient], np.ndarray]


def _mixed_calls() -> list[Call]:
    """Requests of every kind and of many batch sizes, each with its own right answer."""
    calls: list[Call] = []
    all_photos, all_words = mixed_photos(19), texts(19)
    for start, size in ((0, 1), (1, 2), (3, 3), (6, 5), (11, 8)):
        photos, words = all_photos[start : start + size], all_words[start : start + size]
        calls += [
            lambda client, photos=photos: client.embed_image(photos),
            lambda client, words=words: client.embed_text(words),
            lambda client, photos=photos, words=words: client.embed(list(map(Product, photos, words))),
            lambda client, photos=photos, words=words: np.stack(
                [match.fused for match in client.match_many(zip(photos, words, strict=True))]
            ),
        ]
    return calls


def test_sixteen_clients_get_each_its_own_answer(
    product_server: EmbeddedTriton, products: ProductClient
) -> None:
    calls = _mixed_calls()
    expected = [call(products) for call in calls]
    for values in expected[-4:]:
        assert_distinguishable(values, atol=2e-5)

    def work(number: int) -> None:
        protocol, url = (("grpc", product_server.grpc_url), ("http", product_server.http_url))[number % 2]
        with TritonClient(url, protocol=protocol) as own:
            for index in np.random.default_rng(number).permutation(len(calls)):
                np.testing.assert_allclose(calls[index](ProductClient(own)), expected[index], atol=2e-5)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
