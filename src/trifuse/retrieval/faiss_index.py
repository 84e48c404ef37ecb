"""One FAISS index: rows of vectors in order, searched approximately or exactly, wholly or among some rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faiss as _faiss
import numpy as np

from trifuse.errors import ArtifactError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Progress = Callable[[int, int], None]

# FAISS's type stubs do not have what its Python layer adds.
faiss: Any = _faiss

EXACT = "flat"
_FP16, _INT8 = faiss.ScalarQuantizer.QT_fp16, faiss.ScalarQuantizer.QT_8bit
_QUANTIZERS = {"": None, "_fp16": _FP16, "_int8": _INT8}
# Kinds by name: the family, and how each vector is stored (single precision without a suffix).
KINDS: dict[str, tuple[str, Any]] = {EXACT: (EXACT, None)} | {
    family + suffix: (family, quantizer)
    for family in ("hnsw", "ivf")
    for suffix, quantizer in _QUANTIZERS.items()
}
# How thoroughly each family can search: efSearch of HNSW, nprobe of IVF.
EFFORTS = {
    EXACT: (0,),
    "hnsw": (16, 32, 64, 128, 256, 512, 1024, 2048),
    "ivf": (2, 4, 8, 16, 32, 64, 128, 256, 512),
}
# The numbers of results that an index has an effort for.
DEPTHS = (10, 100, 1000)
# The time of a build grows with this power of the number of vectors.
_GROWTH = {EXACT: 1.0, "hnsw": 1.25, "ivf": 1.5}

_NEIGHBOURS, _BUILD_EFFORT = 16, 80
# Cells of IVF: so many times the root of the number of vectors, and the vectors k-means learns each from.
_LISTS, _POINTS_PER_LIST = 2, 64
_CHUNK = 8192


class FaissIndex:
    """Vectors by row, ranked by inner product.

    `efforts` says how thoroughly an approximate kind searches for as many results as each of DEPTHS says.
    A single query runs on one thread; a batch, and adding, on as many as OMP_NUM_THREADS says.
    """

    def __init__(self, kind: str, index: Any, efforts: tuple[int, ...] = (), *, mapped: bool = False) -> None:
        self.kind, self._index, self._mapped = kind, index, mapped
        self._family = KINDS[kind][0]
        self.efforts = efforts or EFFORTS[self._family][:1] * len(DEPTHS)

    @classmethod
    def untrained(cls, kind: str, dim: int, count: int = 0) -> FaissIndex:
        """Prepare a kind for about `count` vectors. Raises ConfigurationError for an unknown kind."""
        if kind not in KINDS:
            raise ConfigurationError("unknown kind of index", got=repr(kind), expected=", ".join(KINDS))
        return cls(kind, _new(kind, dim, count))

    @classmethod
    def read(cls, path: Path, kind: str, efforts: tuple[int, ...]) -> FaissIndex:
        """Map a written index into memory, shared by the processes that read it. Raises ArtifactError."""
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise ArtifactError(
                f"the index {path} cannot be read",
                got=str(error).rpartition("Error: ")[2],
                hint="Build the index of the catalogue again",
            ) from error
        return cls(kind, index, efforts, mapped=True)

    def write(self, path: Path) -> None:
        """Write the index to a file that must not exist yet for a reader."""
        faiss.write_index(self._index, str(path))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """The number of components of a vector."""
        return int(self._index.d)

    @property
    def possible_efforts(self) -> tuple[int, ...]:
        """The efforts worth trying, least first."""
        return EFFORTS[self._family]

    @property
    def is_trained(self) -> bool:
        """Whether the kind has learned what it needs of the vectors to come."""
        return bool(self._index.is_trained)

    def train(self, sample: NDArray[np.float32]) -> None:
        """Learn the cells, or the range of the 8-bit numbers."""
        self._index.train(sample)

    def add(self, vectors: NDArray[np.float32]) -> None:
        """Append rows. What is mapped from a file is first copied: FAISS ends the process otherwise."""
        if self._mapped:
            self._index = faiss.deserialize_index(faiss.serialize_index(self._index))
            self._mapped = False
        self._index.add(vectors)

    def rows(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Give stored vectors, as exact as they are stored."""
        found: NDArray[np.float32] = self._index.reconstruct_batch(np.ascontiguousarray(rows, np.int64))
        return found

    def rounded(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give vectors as they would be stored."""
        if KINDS[self.kind][1] is None:
            return vectors
        quantizer = self._rows_index.sq
        decoded: NDArray[np.float32] = quantizer.decode(quantizer.compute_codes(vectors))
        return decoded

    def search(
        self, queries: NDArray[np.float32], top: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Search the rows, or those that are allowed: (n, top) rows and scores, -1 where fewer were found.

        Filtering looks at so many of the nearest rows that about twice `top` should be allowed. (FAISS can
        filter while it walks the graph, but where the allowed rows are far from the query it then returns
        those it happened to pass.)
        """
        if allowed is None:
            return self.search_with(self._effort(top), queries, top)
        share = max(int(np.count_nonzero(allowed)), 1) / len(allowed)
        depth = min(int(2 * top / share) + 1, len(self))
        return _kept(*self.search_with(self._effort(depth), queries, depth), allowed, top)

    def search_with(
        self, effort: int, queries: NDArray[np.float32], top: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Search all rows with a certain effort."""
        parameters = None
        if self._family == "hnsw":
            parameters = faiss.SearchParametersHNSW(efSearch=max(effort, top))
        elif self._family == "ivf":
            parameters = faiss.SearchParametersIVF(nprobe=effort)
        return self._searched(self._index, queries, top, parameters)

    def search_exactly(
        self, queries: NDArray[np.float32], top: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Compare with every allowed row, as exactly as they are stored."""
        selector = _selector(allowed)
        if self._family == "ivf":
            parameters = faiss.SearchParametersIVF(sel=selector, nprobe=self._index.nlist)
            return self._searched(self._index, queries, top, parameters)
        parameters = faiss.SearchParameters(sel=selector) if selector else None
        return self._searched(self._rows_index, queries, top, parameters)

    @property
    def _rows_index(self) -> Any:
        """The part that holds the vectors: HNSW is a graph beside it."""
        return faiss.downcast_index(self._index.storage) if self._family == "hnsw" else self._index

    def _effort(self, depth: int) -> int:
        """Interpolate the effort that so many results need."""
        beyond = max(1.0, depth / DEPTHS[-1])
        return int(beyond * np.interp(np.log(depth), np.log(DEPTHS), self.efforts))

    def _searched(
        self, index: Any, queries: NDArray[np.float32], top: int, parameters: Any
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        scores, rows = index.search(queries, top, params=parameters)
        return rows, scores


def _kept(
    rows: NDArray[np.int64], scores: NDArray[np.float32], allowed: NDArray[np.bool_], top: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keep the first `top` allowed results of each query, -1 where there are fewer."""
    refused = (rows < 0) | ~allowed[rows]
    order = np.argsort(refused, axis=1, kind="stable")[:, :top]
    rows = np.where(refused, -1, rows)
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)


def rebuilt(
    source: FaissIndex, rows: NDArray[np.int64], kind: str, progress: Progress | None = None
) -> FaissIndex:
    """Build an index of a kind from some rows of another; `progress` hears how many are done of how many."""
    index = FaissIndex.untrained(kind, source.dim, len(rows))
    if not index.is_trained:
        index.train(source.rows(_training_rows(rows)))
    for start in range(0, len(rows), _CHUNK):
        index.add(source.rows(rows[start : start + _CHUNK]))
        if progress:
            progress(min(start + _CHUNK, len(rows)), len(rows))
    return index


def estimated_build_s(kind: str, build_s: float, built: int, count: int) -> float:
    """Estimate the seconds of building `count` vectors from those of building fewer."""
    return build_s * float((count / built) ** _GROWTH[KINDS[kind][0]])


def _training_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose rows evenly, as many as k-means looks at."""
    step = max(1, len(rows) // (_POINTS_PER_LIST * _lists(len(rows))))
    return rows[::step]


def _lists(count: int) -> int:
    return max(1, int(_LISTS * count**0.5))


def _selector(allowed: NDArray[np.bool_] | None) -> Any:
    return None if allowed is None else faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def _new(kind: str, dim: int, count: int) -> Any:
    family, quantizer = KINDS[kind]
    metric = faiss.METRIC_INNER_PRODUCT
    if family == EXACT:
        return faiss.IndexFlatIP(dim)
    if family == "ivf":
        return _new_ivf(quantizer, dim, _lists(count))
    if quantizer is None:
        index = faiss.IndexHNSWFlat(dim, _NEIGHBOURS, metric)
    else:
        index = faiss.IndexHNSWSQ(dim, quantizer, _NEIGHBOURS, metric)
    index.hnsw.efConstruction = _BUILD_EFFORT
    return index


def _new_ivf(quantizer: Any, dim: int, lists: int) -> Any:
    metric, cells = faiss.METRIC_INNER_PRODUCT, faiss.IndexFlatIP(dim)
    if quantizer is None:
        index = faiss.IndexIVFFlat(cells, dim, lists, metric)
    else:
        residuals = False
        index = faiss.IndexIVFScalarQuantizer(cells, dim, lists, quantizer, metric, residuals)
    index.own_fields = True
    cells.this.disown()
    index.cp.max_points_per_centroid = _POINTS_PER_LIST
    index.cp.min_points_per_centroid = 1
    index.make_direct_map()  # finds a row's vector again
    return index
