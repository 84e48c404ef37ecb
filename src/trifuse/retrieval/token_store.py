"""Image tokens of a catalogue as int8, in files that versions share as long as they are equal."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.artifacts import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_SEGMENT = 8192
_LARGEST = 127


def pool_tokens(tokens: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Average tokens of a square grid (n, grid², dim) to (n, side², dim), in windows that cover it evenly.

    The windows are those of torch's `adaptive_avg_pool2d`.
    """
    grid = int(tokens.shape[1] ** 0.5)
    windows = np.zeros((side, grid), np.float32)
    for row in range(side):
        start, end = row * grid // side, -(-(row + 1) * grid // side)
        windows[row, start:end] = 1 / (end - start)
    square = tokens.reshape(len(tokens), grid, grid, -1)
    pooled = np.einsum("ag,bh,nghd->nabd", windows, windows, square)
    return np.asarray(pooled.reshape(len(tokens), side**2, -1), np.float32)


def quantize_tokens(tokens: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round tokens (n, tokens, dim) to int8 with a scale for each token: (values, scales (n, tokens))."""
    scales = np.maximum(np.abs(tokens).max(axis=-1), np.finfo(np.float32).tiny) / _LARGEST
    return np.rint(tokens / scales[..., None]).astype(np.int8), scales.astype(np.float32)


def restore_tokens(values: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn what `quantize_tokens` made into tokens again."""
    tokens: NDArray[np.float32] = np.multiply(values, scales[..., None], dtype=np.float32)
    return tokens


class TokenStore:
    """Quantised tokens by document key in a folder; `tokens` and `dim` are a document's shape."""

    def __init__(self, folder: Path, tokens: int, dim: int) -> None:
        self._folder = folder
        self._type = np.dtype([("scales", np.float32, (tokens,)), ("values", np.int8, (tokens, dim))])
        self._open: dict[int, NDArray[Any]] = {}

    def read(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        """Read (values, scales) of documents."""
        rows = np.empty(len(keys), self._type)
        for index, key in enumerate(keys.tolist()):
            rows[index] = self._segment(key // _SEGMENT)[key % _SEGMENT]
        return rows["values"], rows["scales"]

    def write(self, rows: Mapping[int, tuple[NDArray[np.int8], NDArray[np.float32]]]) -> None:
        """Store (values, scales) by key; each segment that changes becomes a new file."""
        for number in sorted({key // _SEGMENT for key in rows}):
            path = self._path(number)
            segment = np.load(path) if path.is_file() else np.zeros(0, self._type)
            inside = {key % _SEGMENT: row for key, row in rows.items() if key // _SEGMENT == number}
            segment = np.concatenate([segment, np.zeros(max(0, max(inside) + 1 - len(segment)), self._type)])
            for position, (values, scales) in inside.items():
                segment["values"][position], segment["scales"][position] = values, scales
            content = io.BytesIO()
            np.save(content, segment)
            write_file(path, content.getvalue())
        self._open.clear()

    def share(self, other: Path) -> None:
        """Link all segments into another folder, where a changed one is replaced and not rewritten."""
        for path in self._folder.glob("tokens-*.npy"):
            os.link(path, other / path.name)

    def _segment(self, number: int) -> NDArray[Any]:
        if number not in self._open:
            self._open[number] = np.load(self._path(number), mmap_mode="r")
        return self._open[number]

    def _path(self, number: int) -> Path:
        return self._folder / f"tokens-{number:05d}.npy"
