"""A vector store in this process, on FAISS: exact while small, approximate as measured when large."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from trifuse.artifacts import new_folder, write_file
from trifuse.errors import ArtifactError
from trifuse.retrieval.attributes import Columns, kinds_after
from trifuse.retrieval.faiss_choice import Candidate, Choice, FaissSettings, choose
from trifuse.retrieval.faiss_index import EXACT, FaissIndex, rebuilt
from trifuse.retrieval.key_table import NO_ROW, KeyTable
from trifuse.retrieval.ranking import NO_KEY, best, best_with_ties
from trifuse.retrieval.vectors import (
    HEADER,
    check_search,
    check_upsert,
    read_header,
    unknown_keys,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.retrieval.faiss_index import Progress
    from trifuse.retrieval.filters import Filters

    Found = tuple[NDArray[np.int64], NDArray[np.float32]]

_INDEX, _ROWS = "index.faiss", "rows.npz"


class FaissVectors:
    """Vectors in a FAISS index. Fill it, `optimise` it, save it; later changes keep the kind that was chosen.

    A deleted or replaced vector stays as a row that no search returns, until a share of `compact_share` of
    the rows are such; then the index is rebuilt, which takes as long as building it. An item whose vector is
    the one that is stored only gets its attributes changed. Searches may run in several threads, changes may
    not.
    """

    def __init__(self, dim: int, settings: FaissSettings | None = None) -> None:
        self.dim, self.settings, self.choice = dim, settings or FaissSettings(), Choice()
        self._hold(FaissIndex.untrained(EXACT, dim), np.zeros(0, np.int64), np.zeros(0, bool), Columns())

    def _hold(
        self, index: FaissIndex, keys: NDArray[np.int64], live: NDArray[np.bool_], columns: Columns
    ) -> None:
        """Take these as the rows: the key of each and whether it still holds it."""
        self._index, self._keys, self._live, self._columns = index, keys, live, columns
        rows = np.flatnonzero(live)
        self._table = KeyTable(keys[rows], rows)

    def __len__(self) -> int:
        return len(self._table)

    def upsert(
        self, keys: NDArray[np.int64], vectors: NDArray[np.float32], attributes: Sequence[Mapping[str, Any]]
    ) -> None:
        """Store (n, dim) vectors with their attributes; a known key's are replaced. Raises InputError."""
        keys, vectors = check_upsert(self.dim, keys, vectors, attributes)
        kinds_after(self._columns.kinds, attributes)
        rows = self._table.find(keys)
        moved = self._differ(rows, vectors)
        rows[moved] = len(self._index) + np.arange(np.count_nonzero(moved))
        self._retire(keys[moved])
        self._index.add(vectors[moved])
        self._keys = np.append(self._keys, keys[moved])
        self._live = np.append(self._live, np.ones(np.count_nonzero(moved), bool))
        self._table.put(keys[moved], rows[moved])
        self._columns.write(rows, attributes)
        self._compact_if_due()

    def delete(self, keys: NDArray[np.int64]) -> None:
        """Forget keys; unknown ones are ignored."""
        self._retire(np.asarray(keys, np.int64))
        self._compact_if_due()

    def search(self, queries: NDArray[np.float32], top: int, filters: Filters | None = None) -> Found:
        """Find (n, top) keys and scores, best first. Raises InputError.

        Ties are broken by key, among all vectors where the search is exact. A filter that allows few rows is
        searched exactly, and so is a query for which an approximate search finds fewer than there must be.
        """
        queries = check_search(self.dim, queries, top)
        allowed = self._allowed(filters)
        count = int(np.count_nonzero(allowed))
        if not count:
            return best(np.zeros((len(queries), 0), np.int64), np.zeros((len(queries), 0), np.float32), top)
        selected = None if count == len(allowed) else allowed
        if count <= self.choice.exact_share * len(allowed):
            return self._exactly(queries, top, selected, count)
        keys, scores = best(*self._keyed(self._index.search(queries, top, selected)), top)
        short = keys[:, min(top, count) - 1] == NO_KEY
        if short.any():
            keys[short], scores[short] = self._exactly(queries[short], top, selected, count)
        return keys, scores

    def matches(self, keys: NDArray[np.int64], filters: Filters) -> NDArray[np.bool_]:
        """Tell which keys are stored and match. Raises InputError for an unknown attribute."""
        rows = self._table.find(np.asarray(keys, np.int64))
        different, places = np.unique(rows, return_inverse=True)
        known = different != NO_ROW
        matching = np.zeros(len(different), bool)
        if len(self):
            matching[known] = self._columns.take(different[known]).mask(filters)
        return matching[places]

    def vectors(self, keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """Give vectors as they are stored, (n, dim); a quantised kind rounds. Raises InputError."""
        keys = np.asarray(keys, np.int64)
        rows = self._table.find(keys)
        if (rows == NO_ROW).any():
            raise unknown_keys(keys[rows == NO_ROW])
        return self._index.rows(rows)

    def optimise(
        self, queries: NDArray[np.float32] | None = None, progress: Progress | None = None
    ) -> Choice:
        """Choose the kind of index for what is stored now by measuring, and rebuild as that kind.

        `queries` should be like those to come. Both indexes are in memory until the new one is complete.
        """
        index, self.choice = choose(self._index, self._table.rows, self.settings, queries, progress)
        self._replace(index)
        return self.choice

    def compact(self, progress: Progress | None = None) -> None:
        """Rebuild without the rows of deleted and replaced vectors: the same kind, exact if few are left."""
        if len(self) <= self.settings.exact_up_to:
            self.choice = Choice(candidates=self.choice.candidates)
        index = rebuilt(self._index, self._table.rows, self.choice.kind, progress)
        index.efforts = self.choice.efforts or index.efforts
        self._replace(index)

    def save(self, folder: Path) -> None:
        """Write the store in the place of what the folder held."""
        described, arrays = self._columns.state()
        header = {
            "adapter": "faiss",
            "dim": self.dim,
            "settings": asdict(self.settings),
            "choice": asdict(self.choice),
            "attributes": described,
        }
        with new_folder(folder) as new:
            self._index.write(new / _INDEX)
            np.savez(new / _ROWS, keys=self._keys, live=self._live, **arrays)  # type: ignore[arg-type]
            write_file(new / HEADER, json.dumps(header, ensure_ascii=False))

    @classmethod
    def load(cls, folder: Path) -> FaissVectors:
        """Load what was saved; the vectors stay in the file until they are needed. Raises ArtifactError."""
        header = read_header(folder)
        try:
            stored = cls(header["dim"], _settings(header["settings"]))
            stored.choice = _choice(header["choice"])
            with np.load(folder / _ROWS, allow_pickle=False) as arrays:
                keys, live = arrays["keys"], arrays["live"]
                columns = Columns.restore(len(keys), header["attributes"], arrays)
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise ArtifactError(
                f"the vectors in {folder} cannot be read",
                got=error,
                hint="Build the index of the catalogue again",
            ) from error
        index = FaissIndex.read(folder / _INDEX, stored.choice.kind, stored.choice.efforts)
        stored._hold(index, keys, live, columns)
        return stored

    def _differ(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Tell which vectors are not already in these rows."""
        differ: NDArray[np.bool_] = rows == NO_ROW
        known = np.flatnonzero(~differ)
        if len(known):
            same = self._index.rows(rows[known]) == self._index.rounded(vectors[known])
            differ[known] = ~same.all(axis=1)
        return differ

    def _retire(self, keys: NDArray[np.int64]) -> None:
        rows = self._table.find(keys)
        self._live[rows[rows != NO_ROW]] = False
        self._table.remove(keys)

    def _compact_if_due(self) -> None:
        retired = len(self._live) - len(self)
        if retired > self.settings.compact_share * len(self._live):
            self.compact()

    def _replace(self, index: FaissIndex) -> None:
        rows = self._table.rows
        self._hold(index, self._keys[rows], np.ones(len(rows), bool), self._columns.take(rows))

    def _allowed(self, filters: Filters | None) -> NDArray[np.bool_]:
        if filters is None or not len(self):
            return self._live
        return self._live & self._columns.mask(filters)

    def _exactly(
        self, queries: NDArray[np.float32], top: int, allowed: NDArray[np.bool_] | None, count: int
    ) -> Found:
        def fetch(results: int) -> Found:
            return self._keyed(self._index.search_exactly(queries, results, allowed))

        return best_with_ties(fetch, top, count)

    def _keyed(self, found: Found) -> Found:
        rows, scores = found
        return np.where(rows == NO_ROW, NO_KEY, self._keys[rows]), scores


def _settings(stored: Mapping[str, Any]) -> FaissSettings:
    return FaissSettings(**{**stored, "kinds": tuple(stored["kinds"])})


def _choice(stored: Mapping[str, Any]) -> Choice:
    content = {**stored, "efforts": tuple(stored["efforts"]), "recalls": tuple(stored["recalls"])}
    return Choice(**{**content, "candidates": tuple(Candidate(**each) for each in stored["candidates"])})
