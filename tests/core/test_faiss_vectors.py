from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from trifuse.errors import ConfigurationError
from trifuse.retrieval.clustered import Clusters
from trifuse.retrieval.faiss_choice import FaissSettings
from trifuse.retrieval.faiss_index import EXACT, KINDS, FaissIndex
from trifuse.retrieval.faiss_vectors import FaissVectors
from trifuse.retrieval.filters import Filters
from trifuse.retrieval.vectors import load_vectors

DIM, COUNT, TOP = 64, 4000, 10
CLUSTERS = Clusters(DIM, 40)
VECTORS = np.concatenate(list(CLUSTERS.vectors(COUNT)))
QUERIES = CLUSTERS.queries(50)
# Random attributes, and one that is true of a region only: of the vectors nearest to the first.
SHELF = np.random.default_rng(0).integers(100, size=COUNT)
NEAR = VECTORS @ VECTORS[0] > np.sort(VECTORS @ VECTORS[0])[-COUNT // 5]
ROWS: list[dict[str, Any]] = [
    {"shelf": int(shelf), "near": bool(near)} for shelf, near in zip(SHELF, NEAR, strict=True)
]
KEYS = np.arange(COUNT) + 7


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Building with several threads gives another graph every time."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(threads)


def settings(*kinds: str, min_recall: float = 0.95) -> FaissSettings:
    return FaissSettings(exact_up_to=1000, kinds=kinds, sample=2000, min_recall=min_recall)


def built(*kinds: str) -> FaissVectors:
    store = FaissVectors(DIM, settings(*kinds))
    store.upsert(KEYS, VECTORS, ROWS)
    store.optimise(QUERIES)
    return store


@pytest.fixture(scope="module", params=[kind for kind in KINDS if kind != EXACT])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index") / request.param
    store = built(request.param)
    assert store.choice.kind == request.param
    store.save(folder)
    return folder


def recall(
    store: FaissVectors, allowed: NDArray[np.bool_], filters: Filters | None = None, top: int = TOP
) -> float:
    """Compare with plain numpy over the vectors as they were before quantisation."""
    found, scores = store.search(QUERIES, top, filters)
    similar = np.where(allowed, QUERIES @ VECTORS.T, -np.inf)
    truth = KEYS[np.argsort(-similar, axis=1)[:, :top]]
    assert np.isin(found, KEYS[allowed]).all()
    assert (np.diff(scores, axis=1) <= 0).all()
    return float(np.mean([np.isin(expected, row).mean() for expected, row in zip(truth, found, strict=True)]))


def test_an_approximate_kind_reaches_its_recall(saved: Path) -> None:
    store = FaissVectors.load(saved)
    assert recall(store, np.ones(COUNT, bool)) == pytest.approx(store.choice.recalls[0])
    assert store.choice.recalls[0] >= 0.95
    assert recall(store, np.ones(COUNT, bool), top=100) >= 0.93


@pytest.mark.parametrize(
    ("wish", "allowed"),
    [
        ({"shelf": {"min": 40}}, SHELF >= 40),
        ({"shelf": {"max": 7}}, SHELF <= 7),
        ({"shelf": 3}, SHELF == 3),
        ({"near": True}, NEAR),
        ({"near": True, "shelf": {"max": 49}}, NEAR & (SHELF <= 49)),
    ],
    ids=str,
)
def test_filters_keep_the_recall(saved: Path, wish: dict[str, Any], allowed: NDArray[np.bool_]) -> None:
    store = FaissVectors.load(saved)
    assert recall(store, allowed, Filters.parse(wish)) >= 0.93
    store.choice = replace(store.choice, exact_share=0.0)
    assert recall(store, allowed, Filters.parse(wish)) >= 0.93


def test_changes_keep_the_recall(saved: Path) -> None:
    store = FaissVectors.load(saved)
    gone = np.random.default_rng(1).random(COUNT) < 0.2
    store.delete(KEYS[gone])
    assert recall(store, ~gone) >= 0.93
    assert recall(store, ~gone & (SHELF < 50), Filters.parse({"shelf": {"max": 49}})) >= 0.93
    store.upsert(KEYS[gone], VECTORS[gone], [ROWS[row] for row in np.flatnonzero(gone)])
    assert recall(store, np.ones(COUNT, bool)) >= 0.93
    assert recall(store, SHELF < 50, Filters.parse({"shelf": {"max": 49}})) >= 0.93


def test_too_many_deleted_vectors_are_compacted_away(saved: Path) -> None:
    store = FaissVectors.load(saved)
    store.save(saved.with_name("before"))
    gone = np.random.default_rng(1).random(COUNT) < 0.5
    store.delete(KEYS[gone])
    store.save(saved.with_name("after"))
    sizes = [(saved.with_name(name) / "index.faiss").stat().st_size for name in ("before", "after")]
    assert sizes[1] < 0.6 * sizes[0]
    assert store.choice.kind == saved.name
    assert recall(store, ~gone) >= 0.93
    store.delete(KEYS[3000:])
    store.delete(KEYS[:2500])
    assert store.choice.kind == EXACT
    assert len(store) == np.count_nonzero(~gone[2500:3000])


def test_a_changed_attribute_leaves_the_index_as_it_is(saved: Path) -> None:
    store = FaissVectors.load(saved)
    for _ in range(5):
        store.upsert(KEYS, VECTORS, [{"shelf": 1}] * COUNT)
    store.save(saved.with_name("changed"))
    assert (saved.with_name("changed") / "index.faiss").read_bytes() == (saved / "index.faiss").read_bytes()
    assert store.matches(KEYS, Filters.parse({"shelf": 1})).all()


def test_stored_vectors_are_near_the_originals(saved: Path) -> None:
    store = FaissVectors.load(saved)
    assert np.abs(store.vectors(KEYS) - VECTORS).max() < (0.01 if saved.name.endswith("int8") else 0.001)


def test_the_fastest_candidate_of_those_that_reach_the_recall_is_chosen(tmp_path: Path) -> None:
    store = built("hnsw", "ivf_int8")
    choice = store.choice
    assert [candidate.kind for candidate in choice.candidates] == ["hnsw", "ivf_int8"]
    reaching = [candidate for candidate in choice.candidates if candidate.recall >= 0.95]
    assert choice.kind == min(reaching, key=lambda candidate: candidate.latency_ms).kind
    assert 0 <= choice.exact_share <= 1
    store.save(tmp_path / "index")
    loaded = load_vectors(tmp_path / "index")
    assert isinstance(loaded, FaissVectors)
    assert (loaded.choice, loaded.settings) == (choice, store.settings)


def test_the_choice_is_exact_for_few_vectors_and_where_nothing_reaches_the_recall() -> None:
    small = FaissVectors(DIM, settings("ivf"))
    small.upsert(KEYS[:1000], VECTORS[:1000], ROWS[:1000])
    assert (small.optimise().kind, small.choice.candidates) == (EXACT, ())
    store = FaissVectors(DIM, settings("ivf_int8", min_recall=1.0))
    store.upsert(KEYS, VECTORS, ROWS)
    assert store.optimise(QUERIES).kind == EXACT
    assert [candidate.kind for candidate in store.choice.candidates] == ["ivf_int8"]
    assert recall(store, np.ones(COUNT, bool)) == 1.0


def test_a_build_that_would_take_too_long_is_no_candidate() -> None:
    store = FaissVectors(DIM, FaissSettings(exact_up_to=10, kinds=("ivf",), build_limit_s=0.0))
    store.upsert(KEYS, VECTORS, ROWS)
    assert (store.optimise().kind, store.choice.candidates) == (EXACT, ())


def test_a_store_can_be_emptied_and_filled_again(saved: Path) -> None:
    store = FaissVectors.load(saved)
    store.delete(KEYS)
    assert (len(store), store.choice.kind) == (0, EXACT)
    assert store.optimise().kind == EXACT
    assert (store.search(QUERIES, 3)[0] == -1).all()
    store.upsert(KEYS, VECTORS, ROWS)
    assert recall(store, NEAR, Filters.parse({"near": True})) == 1.0


def test_progress_is_told() -> None:
    store = FaissVectors(DIM, settings("ivf"))
    store.upsert(KEYS, VECTORS, ROWS)
    told: list[tuple[int, int]] = []
    store.optimise(QUERIES, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (COUNT, COUNT)


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown kind of index: got 'pq', expected flat, hnsw"):
        FaissIndex.untrained("pq", DIM)
