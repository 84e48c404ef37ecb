"""Indexing and searching products through the real server: what is found, what changes, what is refused."""

from __future__ import annotations

import csv
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from PIL import Image
from tritonclient.grpc import InferenceServerClient

from tests.triton.served import ROOT, photo, script
from trifuse.artifacts import read_manifest, stage_folder, write_file, write_manifest
from trifuse.catalog import Item, read_catalog
from trifuse.client import TritonClient
from trifuse.client.encoding import bytes_tensor
from trifuse.errors import ConfigurationError, ContractMismatchError, InputError, ServerError, TrifuseError
from trifuse.retrieval.token_store import pool_tokens, quantize_tokens, restore_tokens
from trifuse.serving.canary import run_canaries
from trifuse.serving.embedded import EmbeddedTriton
from trifuse.serving.live import LiveServer
from trifuse.serving.probe import own_server
from trifuse.serving.repository import publish
from trifuse.serving.services import publish_service, served_service_version, service_versions
from trifuse.serving.versions import published_systems
from trifuse.systems.product.client import Product, ProductClient
from trifuse.systems.product.index_publication import IndexPublisher

TITLE = "简约白色连衣裙 simple white dress"
CLIENTS = 8


class Shop(NamedTuple):
    """A running server with an index of a catalogue that has one damaged photo."""

    triton: EmbeddedTriton
    publisher: IndexPublisher
    items: list[Item]
    problems: dict[str, str]


@pytest.fixture(scope="module")
def shop(
    product_artifacts: Path,
    tmp_path_factory: pytest.TempPathFactory,
    server_environment: Path,
    definition: Path,
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    repository = folder / "model_repository"
    shutil.copytree(product_artifacts / "model_repository", repository, symlinks=True)
    items = read_catalog(product_artifacts.parent / "data" / "manifest.jsonl")
    damaged = folder / "damaged.jpg"
    damaged.write_bytes(photo(1)[:-400])
    contract = next(contract for contract, _ in published_systems(repository))
    with own_server(repository, contract, server_environment) as triton:
        publisher = IndexPublisher(repository, contract, definition, triton.grpc_url)
        version, outcome = publisher.build([*items, replace(items[0], id="damaged", path=damaged)])
        assert (version, outcome.embedded, outcome.known) == (1, len(items), 0)
        yield Shop(triton, publisher, items, outcome.problems)


@pytest.fixture
def triton(shop: Shop) -> Iterator[TritonClient]:
    with TritonClient(shop.triton.grpc_url) as client:
        yield client


@pytest.fixture
def products(triton: TritonClient) -> ProductClient:
    return ProductClient(triton)


@pytest.fixture(params=["grpc", "http"])
def either(request: pytest.FixtureRequest, shop: Shop) -> Iterator[ProductClient]:
    """A client of each protocol."""
    url = shop.triton.grpc_url if request.param == "grpc" else shop.triton.http_url
    with TritonClient(url.removeprefix("http://"), protocol=request.param) as client:
        yield ProductClient(client)


def vectors(products: ProductClient, items: list[Item]) -> Any:
    return products.embed([Product(item.path, item.title_zh) for item in items])


def test_a_bad_photo_is_reported_and_does_not_stop_the_others(shop: Shop) -> None:
    assert shop.problems.keys() == {"damaged"}
    assert "the image is damaged" in shop.problems["damaged"]


def test_a_text_finds_what_its_embedding_is_nearest_to(either: ProductClient, shop: Shop) -> None:
    hits = either.search(TITLE, top=7, lexical=False, rerank=False, group=False)
    scores = vectors(either, shop.items) @ either.embed_text([TITLE])[0]
    best = np.argsort(-scores, kind="stable")[:7]
    assert [hit.id for hit in hits] == [shop.items[index].id for index in best]
    assert [hit.similarity for hit in hits] == pytest.approx(scores[best].tolist(), abs=1e-5)
    assert {(hit.match, hit.lexical, hit.index_version) for hit in hits} == {(None, None, 1)}
    first = shop.items[best[0]]
    assert hits[0].document["path"] == str(first.path.resolve())
    assert hits[0].document["attributes"] == first.attributes


def test_a_photo_and_both_together_are_queries(products: ProductClient, shop: Shop) -> None:
    item = shop.items[3]
    embedded = vectors(products, shop.items)
    for query in (Product(item.path), Product(item.path, TITLE)):
        hits = products.search(query.text, query.image, top=3, lexical=False, rerank=False, group=False)
        scores = embedded @ products.embed([query])[0]
        assert [hit.similarity for hit in hits] == pytest.approx(np.sort(-scores)[:3] * -1, abs=1e-5)


def test_reranking_scores_the_stored_photo_with_the_text(
    products: ProductClient, triton: TritonClient, shop: Shop
) -> None:
    hits = products.search(TITLE, top=50, candidates=50, rerank=True, group=False)
    by_id = {item.id: item for item in shop.items}
    tokens = products.describe([Product(by_id[hit.id].path) for hit in hits]).image_tokens
    stored = restore_tokens(*quantize_tokens(pool_tokens(tokens, 4)))
    words = triton.infer("product_preprocess", {"text": bytes_tensor([TITLE.encode()])})
    states = triton.infer(
        "product_text_encoder", {name: words[name] for name in ("input_ids", "attention_mask")}
    )
    pairs = {
        "image_tokens": stored,
        "text_tokens": np.repeat(states["text_tokens"], len(hits), axis=0),
        "attention_mask": np.repeat(words["attention_mask"], len(hits), axis=0),
    }
    expected = triton.infer("product_fusion", pairs)["match_score"][:, 0]
    assert [hit.match for hit in hits] == pytest.approx(expected.tolist(), abs=1e-4)
    assert len(hits) == 50
    more = products.search(TITLE, top=100, rerank=True, group=False)
    assert [hit.match is not None for hit in more].count(True) == 64
    assert len(more) == 100


def test_a_text_query_never_runs_the_image_encoder(products: ProductClient, shop: Shop) -> None:
    def runs() -> int:
        with InferenceServerClient(shop.triton.grpc_url) as client:
            found = client.get_inference_statistics("product_image_encoder", as_json=True)
        return sum(int(row.get("execution_count", 0)) for row in found["model_stats"])

    before = runs()
    products.search(TITLE, rerank=True)
    assert runs() == before
    products.search(image=shop.items[0].path)
    assert runs() == before + 1


def test_filters_and_article_numbers(products: ProductClient, shop: Shop) -> None:
    wanted = {"category": ["dress", "hat"], "price": {"max": 200}}
    hits = products.search("white", top=50, filters=wanted, group=False)
    allowed = {
        item.id
        for item in shop.items
        if item.attributes["category"] in ("dress", "hat") and item.attributes["price"] <= 200
    }
    assert {hit.id for hit in hits} == allowed
    last = shop.items[-1]
    assert (
        products.search(last.attributes["product_id"])[0].document["product"] == last.attributes["product_id"]
    )


def test_several_photos_of_a_product_are_one_hit(products: ProductClient, shop: Shop) -> None:
    counts: dict[str, list[str]] = {}
    for item in shop.items:
        counts.setdefault(item.attributes["product_id"], []).append(item.id)
    product, photos = next((name, ids) for name, ids in counts.items() if len(ids) == 2)
    (first, *others) = products.search(product, top=5)
    assert sorted([first.id, *first.variants]) == sorted(photos)
    assert all(hit.document["product"] != product for hit in others)


@pytest.mark.parametrize(
    ("inputs", "options", "problem"),
    [
        ({}, {}, "there is nothing to search for"),
        ({"text": ""}, {}, "text"),
        ({"text": "x", "filters": {"colr": 1}}, {}, "no item has the attribute 'colr'"),
        ({"text": "x", "filters": {"price": "cheap"}}, {}, "the filter on 'price' cannot match"),
        ({"text": "x"}, {"top": 5000}, "the option 'top' has a bad value"),
        ({"image": b"no photo"}, {}, "the image format is not known"),
    ],
)
def test_bad_queries_are_the_clients_error(
    either: ProductClient, inputs: dict[str, Any], options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InputError, match=problem) as failure:
        either.search(**inputs, **options)
    assert "refused" not in str(failure.value)


def test_changes_are_swapped_in_while_clients_search(shop: Shop) -> None:
    deleted, renamed = shop.items[5], shop.items[6]
    stop, errors, answered = threading.Event(), [], [0] * CLIENTS
    swapped = threading.Event()

    def call(number: int) -> None:
        with TritonClient(shop.triton.grpc_url) as client:
            products = ProductClient(client)
            while not stop.is_set():
                is_new = swapped.is_set()
                try:
                    found = [hit.id for hit in products.search(TITLE, top=64, candidates=64, group=False)]
                except TrifuseError as error:
                    errors.append(error)
                    return
                if is_new and deleted.id in found:
                    errors.append(AssertionError("a deleted document was found after the swap"))
                answered[number] += 1

    threads = [threading.Thread(target=call, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        shop.publisher.upsert([replace(renamed, title_zh="独特", title_en="unmistakable")])
        version = shop.publisher.delete([deleted.id])
        swapped.set()
        shop.publisher.upsert([replace(renamed, title_zh="独特", title_en="unmistakable")])
        seen = list(answered)
        deadline = time.monotonic() + 60
        while any(now <= before for now, before in zip(answered, seen, strict=True)):
            assert not errors, errors
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors, errors
    with TritonClient(shop.triton.grpc_url) as client:
        (first, *_) = ProductClient(client).search("unmistakable", top=1)
    assert (first.id, first.index_version) == (renamed.id, version + 1)
    shop.publisher.build(shop.items)


def test_only_what_changed_is_embedded_again(shop: Shop) -> None:
    version, outcome = shop.publisher.build(shop.items)
    assert (outcome.embedded, outcome.known) == (0, len(shop.items))
    _, outcome = shop.publisher.upsert([replace(shop.items[2], title_zh="新")])
    assert (outcome.embedded, outcome.known) == (1, 0)
    _, outcome = shop.publisher.build(shop.items)
    assert (outcome.embedded, outcome.known) == (1, len(shop.items) - 1)
    publisher = shop.publisher
    assert served_service_version(publisher.repository, publisher.contract, "index") == version + 2
    assert len(service_versions(publisher.repository, publisher.contract, "index")) == 3


@pytest.mark.timeout(600)
def test_a_killed_build_loses_nothing(shop: Shop, tmp_path: Path) -> None:
    rows = [
        {"id": f"new{number}", "path": str(item.path), "split": "train", "title_zh": item.title_zh}
        for number, item in enumerate(shop.items)
    ]
    manifest = tmp_path / "manifest.jsonl"
    write_file(manifest, "\n".join(json.dumps(row) for row in rows))
    publisher, generator = shop.publisher, random.Random(0)
    arguments = [manifest, "--repository", publisher.repository, "--url", shop.triton.grpc_url]
    command = [sys.executable, str(ROOT / "clients" / "index.py"), "build", *map(str, arguments)]
    served = served_service_version(publisher.repository, publisher.contract, "index")
    with TritonClient(shop.triton.grpc_url) as client:
        for _ in range(4):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(generator.uniform(1.0, 5.0))
            process.send_signal(signal.SIGKILL)
            process.wait()
            (hit, *_) = ProductClient(client).search(TITLE, weak=True)
            assert hit.index_version >= served
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert f"{len(rows)} documents" in done.stdout
        assert {hit.id[:3] for hit in ProductClient(client).search(TITLE, weak=True)} == {"new"}
    leftovers = [path.name for path in publisher.repository.parent.iterdir() if "staging" in path.name]
    assert leftovers == []
    shop.publisher.build(shop.items)


def test_a_version_that_does_not_load_changes_nothing(
    products: ProductClient, triton: TritonClient, shop: Shop
) -> None:
    publisher = shop.publisher
    before = products.search(TITLE, top=3)
    served = served_service_version(publisher.repository, publisher.contract, "index")

    def make(_: Path, __: Path | None) -> dict[str, Any]:
        return {}

    arguments = (publisher.repository, publisher.contract, "index", publisher.definition, make)
    with LiveServer(publisher.url) as server, pytest.raises(ServerError, match="could not be loaded"):
        publish_service(*arguments, server)
    assert served_service_version(publisher.repository, publisher.contract, "index") == served
    assert products.search(TITLE, top=3) == before
    triton.wait_until_ready(10)
    with pytest.raises(InputError, match="no such documents"):
        publisher.delete([shop.items[0].id, "nothing"])


def test_without_an_index_there_is_nothing_to_change(
    product_artifacts: Path, shop: Shop, tmp_path: Path
) -> None:
    repository = tmp_path / "model_repository"
    shutil.copytree(product_artifacts / "model_repository", repository, symlinks=True)
    with pytest.raises(ConfigurationError, match="there is no index to change"):
        replace(shop.publisher, repository=repository).delete(["x"])


def test_the_canary_covers_the_services(shop: Shop) -> None:
    run_canaries(shop.triton.grpc_url, [shop.publisher.contract])


def test_search_keeps_to_the_encoders_of_its_index(
    product_artifacts: Path, shop: Shop, products: ProductClient, tmp_path: Path
) -> None:
    publisher = shop.publisher
    before = products.search(TITLE, shop.items[0].path, top=5)
    export = tmp_path / "export"
    shutil.copytree(stage_folder(product_artifacts, "product", "export"), export)
    joint = onnx.load(export / "joint.onnx")
    image_weight = joint.graph.initializer[0]
    image_weight.CopyFrom(onnx.numpy_helper.from_array(np.float32(0.9), image_weight.name))
    onnx.save(joint, export / "joint.onnx")
    write_manifest(export, read_manifest(export))
    with LiveServer(publisher.url) as server:
        assert (
            publish(export, publisher.repository, publisher.contract, publisher.definition, server=server)
            == 2
        )
    assert products.search(TITLE, shop.items[0].path, top=5) == before
    with pytest.raises(ContractMismatchError, match="Build the index again"):
        publisher.upsert(shop.items[:2])
    _, outcome = publisher.build(shop.items)
    assert outcome.embedded == len(shop.items)
    hits = products.search(TITLE, shop.items[0].path, top=5, lexical=False, group=False)
    scores = vectors(products, shop.items) @ products.embed([Product(shop.items[0].path, TITLE)])[0]
    assert [hit.similarity for hit in hits] == pytest.approx(np.sort(-scores)[:5] * -1, abs=1e-5)
    assert [hit.similarity for hit in hits] != [hit.similarity for hit in before]


@pytest.fixture(scope="module")
def purchases(shop: Shop, product_artifacts: Path) -> list[dict[str, str]]:
    """Publish recommendations from the generated transactions; returns one user's purchases."""
    path = product_artifacts.parent / "data" / "transactions.csv"
    publisher = shop.publisher
    options = ("--repository", publisher.repository, "--url", publisher.url)
    assert "has loaded it" in script("build/recommender.py", "product", path, *options).stdout
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    user, _ = Counter(row["user_id"] for row in rows).most_common(1)[0]
    return [{name: row[name] for name in ("product_id", "time")} for row in rows if row["user_id"] == user][
        :8
    ]


def test_recommendations_name_their_reason(
    either: ProductClient, shop: Shop, purchases: list[dict[str, str]]
) -> None:
    found = either.recommend(purchases, top=12)
    bought = {row["product_id"] for row in purchases}
    known = {item.attributes["product_id"] for item in shop.items}
    assert len(found) == 12
    assert {item.product for item in found} <= known
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    assert {item.because_of for item in found} <= bought | {None}
    assert any(item.because_of for item in found)
    for item in found:
        assert item.score == pytest.approx(sum(item.parts.values()), abs=1e-5)
        assert item.document["product"] == item.product


def test_an_empty_history_gets_what_sells_best(
    products: ProductClient, purchases: list[dict[str, str]]
) -> None:
    found = products.recommend([], top=5)
    assert len(found) == 5
    assert {item.because_of for item in found} == {None}


def test_recommendations_are_filtered_and_excluded(
    products: ProductClient, purchases: list[dict[str, str]]
) -> None:
    (first, *_) = products.recommend(purchases, top=5)
    found = products.recommend(purchases, top=5, filters={"in_stock": True}, exclude=[first.product])
    assert first.product not in {item.product for item in found}
    assert all(item.document["attributes"]["in_stock"] for item in found)


@pytest.mark.parametrize(
    ("history", "options", "problem"),
    [
        ([{"product_id": "p00001"}], {}, "not a list of purchases"),
        ([{"product_id": "p00001", "time": "yesterday"}], {}, "this is not a time"),
        ([], {"top": 0}, "'top' has a bad value"),
        ([], {"filters": {"colr": 1}}, "no item has the attribute"),
    ],
)
def test_bad_histories_are_the_clients_error(
    either: ProductClient, purchases: list[dict[str, str]], history: Any, options: Any, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        either.recommend(history, **options)


class TestScripts:
    """clients/search.py, similar.py and index.py as a user runs them."""

    def run(self, shop: Shop, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, arguments), "--url", shop.triton.grpc_url]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    def test_search_draws_what_it_found(self, shop: Shop, tmp_path: Path) -> None:
        sheet = tmp_path / "sheet.png"
        done = self.run(shop, "clients/search.py", TITLE, "--output", sheet, "--top", 3, "--json")
        found = json.loads(done.stdout)
        assert [row["rank"] for row in found["results"]] == [1, 2, 3]
        assert found["query"] == TITLE
        with Image.open(sheet) as picture:
            picture.load()

    def test_similar_searches_with_the_photo(self, shop: Shop, tmp_path: Path) -> None:
        photo = shop.items[3].path
        done = self.run(
            shop, "clients/similar.py", photo, "--output", tmp_path / "s.png", "--top", 4, "--json"
        )
        with TritonClient(shop.triton.grpc_url) as client:
            expected = ProductClient(client).search(image=photo, top=4)
        assert [row["id"] for row in json.loads(done.stdout)["results"]] == [hit.id for hit in expected]

    def test_recommend_says_why(self, shop: Shop, purchases: list[dict[str, str]], tmp_path: Path) -> None:
        history = tmp_path / "history.json"
        history.write_text(json.dumps(purchases))
        sheet = tmp_path / "sheet.png"
        done = self.run(shop, "clients/recommend.py", "--history", f"@{history}", "--output", sheet, "--json")
        found = json.loads(done.stdout)
        assert found["purchases"] == len(purchases)
        assert len(found["results"]) == 12
        with Image.open(sheet) as picture:
            picture.load()

    def test_a_refused_filter_exits_with_3(self, shop: Shop) -> None:
        done = self.run(shop, "clients/search.py", "x", "--filters", "{")
        assert done.returncode == 3
        assert done.stderr.startswith("error: the filters cannot be read as JSON")

    def test_versions_and_rollback(self, shop: Shop) -> None:
        repository = ("--repository", shop.publisher.repository)
        listed = json.loads(self.run(shop, "clients/index.py", "versions", *repository, "--json").stdout)
        *_, before, latest = listed["versions"]
        assert (before["served"], latest["served"]) == (False, True)
        done = self.run(shop, "clients/index.py", "rollback", before["version"], *repository)
        assert done.stdout == f"Version {before['version']} of the index is served.\n"
        with TritonClient(shop.triton.grpc_url) as client:
            (hit, *_) = ProductClient(client).search(TITLE, top=1)
        assert hit.index_version == before["version"]
        refused = self.run(shop, "clients/index.py", "rollback", 99, *repository)
        assert refused.returncode == 2
        assert "no such version" in refused.stderr
