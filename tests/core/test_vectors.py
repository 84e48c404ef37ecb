from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trifuse.errors import ArtifactError, ConfigurationError, InputError, ServerUnavailableError
from trifuse.retrieval.faiss_vectors import FaissVectors
from trifuse.retrieval.filters import Filters
from trifuse.retrieval.vectors import HEADER, Vectors, load_vectors

pytest.importorskip("qdrant_client")

from trifuse.retrieval.qdrant_vectors import QdrantVectors

DIM = 16
ITEMS = 120
COLOURS = ["white", "beige", "black", "red"]


def unit(generator: np.random.Generator, count: int) -> NDArray[np.float32]:
    vectors = generator.standard_normal((count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def attributes_of(generator: np.random.Generator, count: int) -> list[dict[str, Any]]:
    """Every kind of value, lists of them, empty lists, and items without the attribute."""
    rows: list[dict[str, Any]] = []
    for _ in range(count):
        row: dict[str, Any] = {"category": str(generator.choice(["dress", "shirt", "shoes"]))}
        row["colour"] = [str(colour) for colour in generator.permutation(COLOURS)[: generator.integers(3)]]
        if generator.random() < 0.8:
            row["price"] = float(generator.integers(10, 300))
        row["size.eu"] = [int(size) for size in generator.permutation(4)[: generator.integers(3)] + 36]
        row["in_stock"] = bool(generator.random() < 0.7) if generator.random() < 0.9 else None
        rows.append(row)
    return rows


class Reference:
    """The interface again, as plainly as it can be written."""

    def __init__(self) -> None:
        self.items: dict[int, tuple[NDArray[np.float32], dict[str, Any]]] = {}

    def upsert(self, keys: Any, vectors: Any, attributes: Any) -> None:
        for key, vector, row in zip(keys.tolist(), vectors, attributes, strict=True):
            self.items[key] = (vector, row)

    def delete(self, keys: Any) -> None:
        for key in keys.tolist():
            self.items.pop(key, None)

    def search(self, query: NDArray[np.float32], top: int, wish: dict[str, Any]) -> list[tuple[int, float]]:
        scored = [
            (key, float(vector @ query)) for key, (vector, row) in self.items.items() if meets(row, wish)
        ]
        return sorted(scored, key=lambda result: (-result[1], result[0]))[:top]


def meets(row: dict[str, Any], wish: dict[str, Any]) -> bool:
    return all(
        any(allows(wanted, value) for value in as_list(row.get(name))) for name, wanted in wish.items()
    )


def as_list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def allows(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, dict):
        return bool(wanted.get("min", -np.inf) <= value <= wanted.get("max", np.inf))
    return value in as_list(wanted)


def new(adapter: str) -> Vectors:
    return FaissVectors(DIM) if adapter == "faiss" else QdrantVectors(DIM, path=":memory:")


@pytest.fixture(params=["faiss", "qdrant"])
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty(adapter: str) -> Vectors:
    return new(adapter)


def filled(store: Vectors | Reference, seed: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    keys = generator.permutation(1000)[:ITEMS]
    store.upsert(keys, unit(generator, ITEMS), attributes_of(generator, ITEMS))
    return store


def assert_same(store: Vectors, reference: Reference, wish: dict[str, Any], top: int = 7) -> None:
    queries = unit(np.random.default_rng(99), 3)
    keys, scores = store.search(queries, top, Filters.parse(wish) if wish else None)
    assert keys.shape == scores.shape == (3, top)
    assert (keys.dtype, scores.dtype) == (np.int64, np.float32)
    for row, query in enumerate(queries):
        expected = reference.search(query, top, wish)
        assert keys[row].tolist() == [key for key, _ in expected] + [-1] * (top - len(expected))
        np.testing.assert_allclose(scores[row, : len(expected)], [score for _, score in expected], atol=1e-5)
        assert (scores[row, len(expected) :] == -np.inf).all()


WISHES: list[dict[str, Any]] = [
    {},
    {"category": "dress"},
    {"category": ["dress", "shoes"]},
    {"category": "hat"},
    {"colour": "red"},
    {"colour": ["red", "white"]},
    {"price": 120},
    {"price": {"min": 50, "max": 200}},
    {"price": {"min": 250}},
    {"price": {"max": 20.5}},
    {"price": {"min": 1000}},
    {"size.eu": 37},
    {"size.eu": [36, 39]},
    {"size.eu": {"min": 38}},
    {"in_stock": True},
    {"in_stock": [True, False]},
    {"in_stock": False, "colour": ["beige", "black"], "price": {"min": 40}},
]


@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_search_is_exact_under_every_filter(empty: Vectors, wish: dict[str, Any]) -> None:
    reference = filled(Reference())
    store = filled(empty)
    assert_same(store, reference, wish)
    keys = np.arange(1000)
    if wish:
        expected = [key in reference.items and meets(reference.items[key][1], wish) for key in range(1000)]
        assert store.matches(keys, Filters.parse(wish)).tolist() == expected


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_changes_gives_what_plain_code_gives(empty: Vectors, seed: int) -> None:
    generator = np.random.default_rng(seed)
    reference = Reference()
    for wish in itertools.islice(itertools.cycle(WISHES), seed, seed + 12):
        keys = generator.permutation(60)[: generator.integers(1, 25)]
        if generator.random() < 0.4:
            empty.delete(keys)
            reference.delete(keys)
        else:
            vectors, rows = unit(generator, len(keys)), attributes_of(generator, len(keys))
            empty.upsert(keys, vectors, rows)
            reference.upsert(keys, vectors, rows)
        assert len(empty) == len(reference.items)
        assert_same(empty, reference, wish if reference.items else {})


def test_an_upsert_replaces_the_vector_and_all_attributes(empty: Vectors) -> None:
    first, second = unit(np.random.default_rng(0), 2)[:, None]
    empty.upsert(np.array([5]), first, [{"colour": ["red", "white"], "price": 3}])
    empty.upsert(np.array([5]), second, [{"colour": "black"}])
    assert len(empty) == 1
    np.testing.assert_allclose(empty.vectors(np.array([5, 5])), np.concatenate([second, second]), atol=1e-6)
    keys, scores = empty.search(second, 2)
    assert keys.tolist() == [[5, -1]]
    assert scores[0, 0] == pytest.approx(1, abs=1e-5)
    for wish, matching in (({"colour": "red"}, False), ({"price": 3}, False), ({"colour": "black"}, True)):
        assert empty.matches(np.array([5]), Filters.parse(wish)).tolist() == [matching]


def test_the_same_vector_again_changes_only_attributes(empty: Vectors) -> None:
    reference = filled(Reference())
    store = filled(empty)
    keys = np.array(list(reference.items)[:30])
    vectors = store.vectors(keys)
    rows = attributes_of(np.random.default_rng(5), 30)
    store.upsert(keys, vectors, rows)
    reference.upsert(keys, vectors, rows)
    for wish in WISHES:
        assert_same(store, reference, wish)


def test_equal_scores_are_ordered_by_key(empty: Vectors) -> None:
    vectors = np.zeros((40, DIM), np.float32)
    vectors[:, 0] = 1
    keys = np.random.default_rng(0).permutation(40)
    empty.upsert(keys, vectors, [{}] * 40)
    assert empty.search(vectors[:2], 5)[0].tolist() == [[0, 1, 2, 3, 4]] * 2


def test_deleted_keys_are_gone(empty: Vectors) -> None:
    store = filled(empty)
    some = store.search(unit(np.random.default_rng(1), 1), 20)[0][0]
    store.delete(np.concatenate([some, [-3, 5000]]))
    assert len(store) == ITEMS - 20
    assert not np.isin(store.search(unit(np.random.default_rng(2), 4), 200)[0], some).any()
    assert not store.matches(some, Filters.parse({"price": {"min": 0}})).any()
    with pytest.raises(InputError, match="keys are not in the index"):
        store.vectors(some)


def test_an_empty_store_matches_nothing(empty: Vectors) -> None:
    queries = unit(np.random.default_rng(0), 2)
    for filters in (None, Filters.parse({"colour": "red"})):
        keys, scores = empty.search(queries, 3, filters)
        assert keys.tolist() == [[-1] * 3] * 2
        assert (scores == -np.inf).all()
    assert len(empty) == 0
    assert empty.vectors(np.zeros(0, np.int64)).shape == (0, DIM)
    filled(empty)
    assert empty.search(queries[:0], 3)[0].shape == (0, 3)


def test_unknown_attributes_and_other_kinds_are_refused(empty: Vectors) -> None:
    store = filled(empty)
    query, keys = unit(np.random.default_rng(0), 1), np.array([1])
    unknown = r"no item has the attribute 'color'.*one of category, colour, in_stock, price, size\.eu"
    with pytest.raises(InputError, match=unknown):
        store.search(query, 3, Filters.parse({"color": "red"}))
    with pytest.raises(InputError, match=unknown):
        store.matches(keys, Filters.parse({"color": "red"}))
    with pytest.raises(InputError, match="'price' cannot match: got text, expected number"):
        store.search(query, 3, Filters.parse({"price": "cheap"}))
    with pytest.raises(InputError, match="'in_stock' cannot match: got number, expected true or false"):
        store.search(query, 3, Filters.parse({"in_stock": 1}))


@pytest.mark.parametrize(
    ("keys", "vectors", "rows", "message"),
    [
        ([1, 1], np.eye(2, DIM), [{}, {}], "come twice"),
        ([-1], np.eye(1, DIM), [{}], "negative"),
        ([1], np.eye(1, DIM), [{}, {}], "1 keys, 1 vectors, 2 items' attributes"),
        ([1], np.eye(1, DIM - 1), [{}], r"wrong shape: got \(1, 15\), expected \(n, 16\)"),
        ([1], np.zeros((1, DIM)), [{}], "not of unit length: got 0 in row 0"),
        ([1], np.full((1, DIM), np.nan), [{}], "not of unit length: got nan"),
        (
            [1],
            np.eye(1, DIM),
            [{"price": "3"}],
            "'price' has a value of another kind: got '3', expected number",
        ),
        ([1], np.eye(1, DIM), [{"new": {"a": 1}}], "'new' has a value of another kind"),
        ([1], np.eye(1, DIM), [{"price": float("nan")}], "got nan"),
    ],
)
def test_what_cannot_be_stored_is_refused_whole(
    empty: Vectors, keys: list[int], vectors: Any, rows: list[dict[str, Any]], message: str
) -> None:
    reference = filled(Reference())
    store = filled(empty)
    with pytest.raises(InputError, match=message):
        store.upsert(np.array(keys), vectors.astype(np.float32), rows)
    assert len(store) == ITEMS
    for wish in ({}, {"price": {"min": 0}}):
        assert_same(store, reference, wish)


def test_bad_queries_are_refused(empty: Vectors) -> None:
    store = filled(empty)
    with pytest.raises(InputError, match="queries have the wrong shape"):
        store.search(np.zeros(DIM, np.float32), 3)
    with pytest.raises(InputError, match="queries are not of unit length"):
        store.search(np.ones((1, DIM), np.float32), 3)
    with pytest.raises(InputError, match="no results: got 0"):
        store.search(np.eye(1, DIM, dtype=np.float32), 0)


def test_what_was_saved_is_loaded_and_can_change(empty: Vectors, tmp_path: Path) -> None:
    reference = filled(Reference())
    filled(empty)
    for store in (empty, reference):
        store.delete(np.array(list(reference.items)[:10]))
    empty.save(tmp_path / "index")
    loaded = load_vectors(tmp_path / "index")
    assert (loaded.dim, len(loaded), type(loaded)) == (DIM, ITEMS - 10, type(empty))
    for wish in WISHES:
        assert_same(loaded, reference, wish)
    for store in (loaded, reference):
        filled(store, seed=1)
    loaded.save(tmp_path / "index")
    again = load_vectors(tmp_path / "index")
    for wish in WISHES:
        assert_same(loaded, reference, wish)
        assert_same(again, reference, wish)


def test_an_empty_store_is_saved_and_loaded(empty: Vectors, tmp_path: Path) -> None:
    empty.save(tmp_path / "index")
    loaded = load_vectors(tmp_path / "index")
    assert len(loaded) == 0
    assert_same(filled(loaded), filled(Reference()), {"colour": "red"})


def test_folders_without_vectors_are_named(adapter: str, empty: Vectors, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no vectors"):
        load_vectors(tmp_path)
    filled(empty).save(tmp_path / "index")
    for path in (tmp_path / "index").iterdir():
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(ArtifactError, match=r"cannot be read|holds no vectors"):
            load_vectors(tmp_path / "index")
        path.write_bytes(content)
    (tmp_path / "index" / HEADER).write_text('{"adapter": "other"}')
    with pytest.raises(ArtifactError, match="unknown vector store: got other"):
        load_vectors(tmp_path / "index")


def test_a_qdrant_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(ServerUnavailableError, match="no Qdrant server answers at http://127"):
        QdrantVectors(DIM, url="http://127.0.0.1:1")


def test_a_qdrant_collection_in_files_is_found_again(tmp_path: Path) -> None:
    path = str(tmp_path / "qdrant")
    store = QdrantVectors(DIM, path=path)
    store.upsert(np.arange(2), np.eye(2, DIM, dtype=np.float32), [{"size.eu": [36, 40]}, {"size.eu": 38}])
    store.close()
    again = QdrantVectors(DIM, path=path)
    keys, _ = again.search(np.eye(1, DIM, dtype=np.float32), 2, Filters.parse({"size.eu": {"max": 37}}))
    assert keys.tolist() == [[0, -1]]
    again.close()
    with pytest.raises(ConfigurationError, match="vectors of another length: got 16, expected 8"):
        QdrantVectors(8, path=path)
