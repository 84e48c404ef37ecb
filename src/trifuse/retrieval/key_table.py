"""Which row holds a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_ROW = -1


class KeyTable:
    """Rows by key, in two sorted arrays: sixteen bytes a key, where a dictionary needs over a hundred."""

    def __init__(self, keys: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        self._sort(keys, rows)

    def _sort(self, keys: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        order = np.argsort(keys, kind="stable")
        self._keys, self._rows = keys[order], rows[order]

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The rows that hold a key, ascending."""
        return np.sort(self._rows)

    def find(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give each key's row, NO_ROW for an unknown one."""
        places, known = self._places(keys)
        rows = np.full(len(keys), NO_ROW, np.int64)
        rows[known] = self._rows[places[known]]
        return rows

    def put(self, keys: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Say which rows hold these keys from now on."""
        self.remove(keys)
        self._sort(np.append(self._keys, keys), np.append(self._rows, rows))

    def remove(self, keys: NDArray[np.int64]) -> None:
        """Forget keys; unknown ones are ignored."""
        places, known = self._places(keys)
        kept = np.ones(len(self), bool)
        kept[places[known]] = False
        self._keys, self._rows = self._keys[kept], self._rows[kept]

    def _places(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Find where each key is or would be, and whether it is there."""
        places = np.searchsorted(self._keys, keys)
        known = places < len(self)
        known[known] = self._keys[places[known]] == keys[known]
        return places, known
