"""The product system through the real server: equal to training, equal over protocols, right under load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.triton.served import mixed_photos, photo, texts
from trifuse import systems
from trifuse.client import TritonClient
from trifuse.client.encoding import bytes_tensor
from trifuse.contracts import SystemContract
from trifuse.serving.embedded import EmbeddedTriton
from trifuse.systems.product.client import Product, ProductClient
from trifuse.systems.product.preprocess import Preprocessor

CONTRACT: SystemContract = systems.contract("product", "smoke")
COUNT = 50


@pytest.fixture
def client(product_server: EmbeddedTriton) -> Iterator[TritonClient]:
    with TritonClient(product_server.grpc_url) as client:
        yield client


@pytest.fixture
def products(client: TritonClient) -> ProductClient:
    return ProductClient(client)


def test_training_and_serving_see_the_same_bits(client: TritonClient, product_artifacts: Path) -> None:
    """Each item alone: what training's preprocessing computes here, Triton's computes there."""
    training = Preprocessor(CONTRACT, product_artifacts / "product" / "train" / "assets")
    names = [spec.name for spec in CONTRACT.preprocess.outputs]
    for image, text in zip(mixed_photos(COUNT), texts(COUNT), strict=True):
        inputs = {"image": bytes_tensor([image]), "text": bytes_tensor([text.encode()])}
        expected = training(inputs, names)
        found = client.infer("product_preprocess", inputs, names)
        for name in names:
            assert found[name].dtype == expected[name].dtype
            np.testing.assert_array_equal(found[name], expected[name], err_msg=f"{name} of {text!r}")


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
    np.testing.assert_allclose(together[66], products.embed_text([words[66]])[0], atol=1e-5)


def test_http_and_grpc_agree(product_server: EmbeddedTriton, products: ProductClient) -> None:
    pairs = list(zip(mixed_photos(5), texts(5), strict=True))
    with TritonClient(product_server.http_url, protocol="http") as http:
        over_http = ProductClient(http).match_many(pairs)
    for first, second in zip(over_http, products.match_many(pairs), strict=True):
        assert first.score == second.score
        np.testing.assert_array_equal(first.fused, second.fused)


Call = Callable[[ProductClient], np.ndarray]


def _mixed_calls() -> list[Call]:
    """Requests of every kind and of many batch sizes, each with its own right answer."""
    calls: list[Call] = []
    for size in (1, 2, 3, 5, 8):
        photos, words = mixed_photos(size), texts(size)
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

    def work(number: int) -> None:
        protocol, url = (("grpc", product_server.grpc_url), ("http", product_server.http_url))[number % 2]
        with TritonClient(url, protocol=protocol) as own:
            for index in np.random.default_rng(number).permutation(len(calls)):
                np.testing.assert_allclose(calls[index](ProductClient(own)), expected[index], atol=2e-5)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
