"""A catalogue's index on disk: what it finds, how it changes, and what it groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trifuse.artifacts import Manifest, write_manifest
from trifuse.errors import ContractMismatchError, InputError
from trifuse.retrieval.documents import Document
from trifuse.retrieval.exact_neighbours import ExactNeighbours
from trifuse.retrieval.filters import Filters
from trifuse.retrieval.index import CatalogueIndex, IndexSettings
from trifuse.retrieval.options import SearchOptions
from trifuse.retrieval.token_store import quantize_tokens
from trifuse.retrieval.writing import Entry, write_index

DIM, TOKENS = 16, 4
SETTINGS = IndexSettings(1, TOKENS, DIM)
RNG = np.random.default_rng(7)
VECTORS = RNG.standard_normal((12, DIM)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


def entry(number: int, product: str | None = None, **changed: Any) -> Entry:
    """A document whose title is its own word, priced at its number."""
    values, scales = quantize_tokens(np.full((1, TOKENS, DIM), number + 1, np.float32))
    document = Document(
        f"d{number}",
        product or f"p{number}",
        changed.get("text", f"word{number} common"),
        look=changed.get("look", RNG.bytes(32)),
    )
    vector = VECTORS[changed.get("vector", number)]
    return Entry(document, vector, (values[0], scales[0]), {"price": float(number), "kind": "ab"[number % 2]})


def written(
    folder: Path, entries: Sequence[Entry], settings: IndexSettings = SETTINGS, **changes: Any
) -> Path:
    folder.mkdir()
    details = write_index(folder, settings, entries, **changes)
    write_manifest(folder, Manifest("product", "index", "smoke", "hash", details=details))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "1", [entry(number) for number in range(10)])


def ids(index: CatalogueIndex, hits: Any) -> list[str]:
    return [document.id for document in index.documents(hits)]


def search(index: CatalogueIndex, number: int | None = None, text: str | None = None, **options: Any) -> Any:
    filters = Filters.parse(options.pop("filters")) if "filters" in options else None
    vector = None if number is None else VECTORS[number]
    return index.search(vector, text, filters, SearchOptions(**options))


def test_vectors_are_ranked_by_their_cosine(folder: Path) -> None:
    index = CatalogueIndex.load(folder)
    hits = search(index, 3, top=4, candidates=4)
    expected = np.argsort(-(VECTORS[:10] @ VECTORS[3]), kind="stable")[:4]
    assert ids(index, hits) == [f"d{number}" for number in expected]
    np.testing.assert_allclose(hits.scores[:, 1], np.sort(-(VECTORS[:10] @ VECTORS[3]))[:4] * -1, atol=1e-6)


def test_words_join_the_candidates(folder: Path) -> None:
    index = CatalogueIndex.load(folder)
    far = int(np.argmin(VECTORS[:10] @ VECTORS[3]))
    hits = search(index, 3, f"word{far}", top=3, candidates=3)
    found = ids(index, hits)
    assert f"d{far}" in found
    assert np.isfinite(hits.scores[found.index(f"d{far}"), 2])
    assert f"d{far}" not in ids(index, search(index, 3, f"word{far}", top=3, candidates=3, lexical=False))


def test_an_article_number_comes_first(folder: Path) -> None:
    index = CatalogueIndex.load(folder)
    far = int(np.argmin(VECTORS[:10] @ VECTORS[3]))
    assert ids(index, search(index, 3, f"d{far}"))[0] == f"d{far}"


def test_words_alone_are_a_query(folder: Path) -> None:
    index = CatalogueIndex.load(folder)
    assert ids(index, search(index, text="word6")) == ["d6"]


def test_filters_hold_for_vectors_words_and_numbers(folder: Path) -> None:
    index = CatalogueIndex.load(folder)
    for text in ("common", "word4", "d4"):
        found = ids(index, search(index, 4, text, filters={"kind": "b", "price": {"max": 5}}))
        assert sorted(found) == ["d1", "d3", "d5"]


def test_a_query_that_nothing_answers_has_no_hits(tmp_path: Path) -> None:
    settings = IndexSettings(1, TOKENS, DIM, threshold=0.999)
    index = CatalogueIndex.load(written(tmp_path / "1", [entry(number) for number in range(10)], settings))
    assert ids(index, search(index, 11, "nothing")) == []
    assert len(ids(index, search(index, 11, "nothing", weak=True))) == 10
    assert ids(index, search(index, 4))[0] == "d4"
    assert ids(index, search(index, 11, "d4"))[0] == "d4"
    assert "d3" in ids(index, search(index, 11, "word3"))


def test_photos_of_a_product_and_copies_of_a_photo_are_one_group(tmp_path: Path) -> None:
    look = RNG.bytes(32)
    shop = [
        entry(0, "p"),
        entry(1, "p"),
        entry(2, look=look),
        entry(3, look=bytes([look[0] ^ 7]) + look[1:]),
        entry(4, look=b""),
        entry(5, look=b""),
        entry(6, look=bytes(32)),
        entry(7, look=bytes(32)),
    ]
    index = CatalogueIndex.load(written(tmp_path / "1", shop))
    hits = search(index, 0)
    groups = dict(zip(ids(index, hits), hits.groups.tolist(), strict=True))
    assert groups["d0"] == groups["d1"]
    assert groups["d2"] == groups["d3"]
    assert len({groups[f"d{number}"] for number in (0, 2, 4, 5, 6, 7)}) == 6


def test_similar_products_are_others(tmp_path: Path) -> None:
    shop = [entry(0, "p"), entry(1, "p", vector=0), entry(2), entry(3), entry(4, "q"), entry(5, "q")]
    index = CatalogueIndex.load(written(tmp_path / "1", shop))
    hits = index.similar(["p", "unknown", "d2"], 3, None)
    assert hits.counts.tolist() == [3, 0, 3]
    products = [document.product for document in index.documents(hits)]
    assert "p" not in products[:3]
    assert "p2" not in products[3:]
    assert len(set(products[:3])) == 3


def test_similar_looks_past_the_photos_of_the_same_products(tmp_path: Path) -> None:
    shop = [entry(number, f"p{number // 5}", vector=number // 5) for number in range(50)]
    index = CatalogueIndex.load(written(tmp_path / "1", shop))
    hits = index.similar(["p0"], 9, None)
    assert hits.counts.tolist() == [9]
    order = np.argsort(-(VECTORS[1:10] @ VECTORS[0]), kind="stable") + 1
    assert [document.product for document in index.documents(hits)] == [f"p{number}" for number in order]


def test_the_nearest_products_are_named_with_their_cosines(tmp_path: Path) -> None:
    index = CatalogueIndex.load(written(tmp_path / "1", [entry(number) for number in range(6)]))
    first, unknown, third = index.nearest(["p0", "unknown", "p2"], 2)
    order = (np.argsort(-(VECTORS[1:6] @ VECTORS[0]), kind="stable") + 1)[:2]
    assert [name for name, _ in first] == [f"p{number}" for number in order]
    np.testing.assert_allclose([cosine for _, cosine in first], VECTORS[order] @ VECTORS[0], atol=1e-5)
    assert unknown == []
    assert len(third) == 2


def test_a_product_comes_before_a_document_of_the_same_name(tmp_path: Path) -> None:
    index = CatalogueIndex.load(written(tmp_path / "1", [entry(0, "x"), entry(1, "d0")]))
    assert ids(index, index.named(["d0"], None)) == ["d1"]


def test_a_products_vector_is_the_mean_of_its_documents(tmp_path: Path) -> None:
    index = CatalogueIndex.load(written(tmp_path / "1", [entry(0, "p"), entry(1, "p"), entry(2)]))
    products, vectors = index.product_vectors()
    mean = VECTORS[:2].mean(axis=0)
    assert products == ["p", "p2"]
    np.testing.assert_allclose(vectors, [mean / np.linalg.norm(mean), VECTORS[2]], atol=1e-6)
    assert ExactNeighbours.of_index(tmp_path / "1", 5)(["p2", "x"], 5)[0][0][0] == "p"


def test_documents_by_name(folder: Path) -> None:
    index = CatalogueIndex.load(folder)
    hits = index.named(["d3", "unknown", "p1"], None)
    assert ids(index, hits) == ["d3", "d1"]
    assert hits.counts.tolist() == [1, 0, 1]
    assert ids(index, index.named(["d3", "p1"], Filters.parse({"price": {"min": 2}}))) == ["d3"]


def test_a_change_leaves_the_version_before_as_it_was(folder: Path, tmp_path: Path) -> None:
    changed = written(
        tmp_path / "2",
        [entry(3, text="renamed", vector=11), entry(10)],
        deleted=["d4", "unknown"],
        previous=folder,
    )
    old, new = CatalogueIndex.load(folder), CatalogueIndex.load(changed)
    assert (len(old), len(new)) == (10, 10)
    assert ids(new, search(new, 11))[0] == "d3"
    assert ids(new, search(new, text="renamed")) == ["d3"]
    assert ids(new, search(new, text="word3")) == []
    assert "d4" not in ids(new, search(new, 4, "word4 d4"))
    assert ids(old, search(old, 4, "word4"))[0] == "d4"
    assert ids(old, search(old, text="word3")) == ["d3"]
    hits = search(new, 10)
    assert ids(new, hits)[0] == "d10"
    values, scales = new.tokens(hits)
    np.testing.assert_allclose(values[0] * scales[0][:, None], 11, rtol=1e-3)


def test_an_index_of_other_encoders_is_not_changed(folder: Path, tmp_path: Path) -> None:
    other = IndexSettings(2, TOKENS, DIM)
    with pytest.raises(ContractMismatchError, match="Build the index again"):
        written(tmp_path / "2", [entry(1)], other, previous=folder)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 60000, "cannot be read as JSON"),
        ("[]", "no search options"),
        ('{"tops": 3}', "no search options"),
        ('{"top": -1}', "'top' has a bad value"),
        ('{"top": true}', "'top' has a bad value"),
        ('{"candidates": 0}', "'candidates' has a bad value"),
        ('{"candidates": 65}', "'candidates' has a bad value"),
        ('{"rerank": 1}', "'rerank' has a bad value"),
    ],
)
def test_bad_options_are_named(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        SearchOptions.parse(text)


def test_nothing_to_search_for(folder: Path) -> None:
    with pytest.raises(InputError, match="nothing to search for"):
        search(CatalogueIndex.load(folder))
