"""Which kind of FAISS index, and how thoroughly it searches: chosen by measuring."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from trifuse.retrieval.faiss_index import DEPTHS, EXACT, KINDS, FaissIndex, estimated_build_s, rebuilt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from trifuse.retrieval.faiss_index import Progress

_TOP = DEPTHS[0]
_QUERIES, _TIMED_QUERIES = 200, 50
_QUERY_COSINE = 0.9
_SEED = 0
# Shares of allowed rows at which exact and approximate search are compared.
_SHARES = (0.3, 0.1, 0.03, 0.01)


@dataclass(frozen=True)
class FaissSettings:
    """When a FAISS index is exact, and what an approximate one must reach.

    `kinds` are the candidates, `sample` is how many vectors they are tried on, and `build_limit_s` leaves out
    those whose build is estimated to take longer. A store is rebuilt when the share of deleted vectors is
    above `compact_share`.
    """

    exact_up_to: int = 50_000
    min_recall: float = 0.98
    kinds: tuple[str, ...] = tuple(kind for kind in KINDS if kind != EXACT)
    sample: int = 50_000
    build_limit_s: float = 1800.0
    compact_share: float = 0.25


@dataclass(frozen=True)
class Candidate:
    """A kind at an effort, measured on the sample: recall@10, the median milliseconds of a single query."""

    kind: str
    effort: int
    recall: float
    latency_ms: float
    build_s: float
    estimated_build_s: float


@dataclass(frozen=True)
class Choice:
    """What was chosen, with the efforts that each of DEPTHS needs and the recalls there on all vectors.

    Where at most `exact_share` of the rows are allowed, comparing with each of them is the better search.
    """

    kind: str = EXACT
    efforts: tuple[int, ...] = ()
    recalls: tuple[float, ...] = ()
    exact_share: float = 1.0
    candidates: tuple[Candidate, ...] = ()


def recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Share of the true results, (n, top), that were found; -1 in the truth is none."""
    hits = sum(
        np.isin(expected[expected >= 0], row).sum() for expected, row in zip(truth, found, strict=True)
    )
    return float(hits / max(1, np.count_nonzero(truth >= 0)))


def queries_near(vectors: NDArray[np.float32], cosine: float = _QUERY_COSINE) -> NDArray[np.float32]:
    """Turn each vector by noise, so that it asks for something near to what is stored but not stored."""
    noise = np.random.default_rng(_SEED).standard_normal(vectors.shape, np.float32)
    noise -= (noise * vectors).sum(axis=1, keepdims=True) * vectors
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return np.asarray(cosine * vectors + (1 - cosine**2) ** 0.5 * noise, np.float32)


def choose(
    source: FaissIndex,
    rows: NDArray[np.int64],
    settings: FaissSettings,
    queries: NDArray[np.float32] | None = None,
    progress: Progress | None = None,
) -> tuple[FaissIndex, Choice]:
    """Build the kind that suits some rows (ascending) of an index: the fastest that reaches the recall.

    Kinds are compared on a sample of the rows; the effort is then set by the recall on all of them. `queries`
    should be like those to come; without them, vectors are turned a little (see `queries_near`). Exact when
    there are few rows, or when no candidate reaches the recall.
    """
    generator = np.random.default_rng(_SEED)
    if queries is None:
        queries = queries_near(source.rows(generator.permutation(rows)[:_QUERIES]))
    measured: list[Candidate] = []
    if len(rows) > settings.exact_up_to:
        sample = np.sort(generator.permutation(rows)[: settings.sample])
        measured = list(_candidates(rebuilt(source, sample, EXACT), len(rows), settings, queries))
    reaching = [candidate for candidate in measured if candidate.recall >= settings.min_recall]
    kind = min(reaching, key=lambda candidate: candidate.latency_ms).kind if reaching else EXACT
    index = rebuilt(source, rows, kind, progress)
    if kind == EXACT:
        return index, Choice(candidates=tuple(measured))
    recalls = tune(index, queries, _truth(source, rows, queries), settings.min_recall)
    share = _exact_share(index, queries[:_TIMED_QUERIES], settings.min_recall)
    return index, Choice(kind, index.efforts, recalls, share, tuple(measured))


def tune(
    index: FaissIndex, queries: NDArray[np.float32], truth: NDArray[np.int64], min_recall: float
) -> tuple[float, ...]:
    """Set the efforts of an index to the least that reach a recall, and give the recalls."""
    found = [least_effort(index, queries, truth[:, :depth], min_recall) for depth in DEPTHS]
    index.efforts = tuple(effort for effort, _ in found)
    return tuple(reached for _, reached in found)


def least_effort(
    index: FaissIndex, queries: NDArray[np.float32], truth: NDArray[np.int64], min_recall: float
) -> tuple[int, float]:
    """Find the least effort, else the greatest, with a recall of (n, top) true results, and its recall."""
    effort, reached = 0, 0.0
    for effort in index.possible_efforts:
        reached = recall(index.search_with(effort, queries, truth.shape[1])[0], truth)
        if reached >= min_recall:
            break
    return effort, reached


def durations_ms(
    search: Callable[[NDArray[np.float32]], object], queries: NDArray[np.float32]
) -> list[float]:
    """Time a search for each query alone, in milliseconds."""
    durations = []
    for row in range(len(queries)):
        begin = time.perf_counter()
        search(queries[row : row + 1])
        durations.append((time.perf_counter() - begin) * 1e3)
    return durations


def _truth(source: FaissIndex, rows: NDArray[np.int64], queries: NDArray[np.float32]) -> NDArray[np.int64]:
    """Find the true results, numbered by their places in `rows`."""
    allowed = np.zeros(len(source), bool)
    allowed[rows] = True
    depth = min(DEPTHS[-1], len(rows))
    return np.searchsorted(rows, source.search_exactly(queries, depth, allowed)[0])


def _candidates(
    exact: FaissIndex, count: int, settings: FaissSettings, queries: NDArray[np.float32]
) -> Iterator[Candidate]:
    truth, _ = exact.search(queries, _TOP)
    for kind in settings.kinds:
        begin = time.perf_counter()
        index = rebuilt(exact, np.arange(len(exact)), kind)
        build_s = time.perf_counter() - begin
        estimated_s = estimated_build_s(kind, build_s, len(exact), count)
        if estimated_s <= settings.build_limit_s:
            effort, reached = least_effort(index, queries, truth, settings.min_recall)
            latency_ms = _median_ms(partial(index.search_with, effort, top=_TOP), queries)
            yield Candidate(kind, effort, reached, latency_ms, build_s, estimated_s)


def _exact_share(index: FaissIndex, queries: NDArray[np.float32], min_recall: float) -> float:
    """Find the share of allowed rows below which exact search is faster, or approximate search too coarse."""
    generator = np.random.default_rng(_SEED)
    for share in _SHARES:
        allowed = generator.random(len(index)) < share
        exactly = partial(index.search_exactly, top=_TOP, allowed=allowed)
        approximately = partial(index.search, top=_TOP, allowed=allowed)
        reached = recall(approximately(queries)[0], exactly(queries)[0])
        if reached < min_recall or _median_ms(exactly, queries) <= _median_ms(approximately, queries):
            return share
    return 0.0


def _median_ms(search: Callable[[NDArray[np.float32]], object], queries: NDArray[np.float32]) -> float:
    return float(np.median(durations_ms(search, queries[:_TIMED_QUERIES])))
