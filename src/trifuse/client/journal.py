"""What a catalogue's items were embedded to, kept on disk, so that no item is ever embedded twice."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.catalog import Item

_SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    id TEXT PRIMARY KEY, digest TEXT NOT NULL, problem TEXT,
    look BLOB, vector BLOB, shape TEXT, tokens BLOB, scales BLOB
);
-- What is missing is found without reading the embeddings.
CREATE INDEX IF NOT EXISTS items_digests ON items (problem, id, digest);
"""


@dataclass(frozen=True)
class Embedded:
    """What the server made of an item, or the problem that it has with it."""

    look: bytes = b""
    vector: NDArray[np.float32] | None = None
    tokens: tuple[NDArray[np.int8], NDArray[np.float32]] | None = None
    problem: str | None = None


class Journal:
    """The items' embeddings in one SQLite file; what was stored survives a kill at any moment."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def missing(self, digests: Mapping[str, str]) -> set[str]:
        """Tell which ids are not stored under these digests."""
        # What was wrong with an item may have been the server's fault: it is tried again.
        query = "SELECT id, digest FROM items WHERE problem IS NULL"
        stored = dict(self._connection.execute(query))
        return {name for name, digest in digests.items() if stored.get(name) != digest}

    def store(self, rows: Iterable[tuple[str, str, Embedded]]) -> None:
        """Store (id, digest, embedded) rows, all or none."""
        with self._connection:
            self._connection.executemany(
                "REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_row, rows)
            )

    def read(self, ids: Sequence[str]) -> dict[str, Embedded]:
        """Read what is stored of items."""
        query = f"SELECT * FROM items WHERE id IN ({','.join('?' * len(ids))})"  # noqa: S608
        return {row[0]: _embedded(*row[2:]) for row in self._connection.execute(query, ids)}


def item_digest(item: Item, model_version: str) -> str:
    """Identify what an embedding depends on: the titles, the photo's size and date, and the encoders."""
    found = item.path.stat() if item.path.is_file() else None
    photo = (found.st_size, found.st_mtime_ns) if found else None
    content = [str(item.path), photo, item.title_zh, item.title_en, model_version]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _row(row: tuple[str, str, Embedded]) -> tuple[object, ...]:
    name, digest, made = row
    if made.vector is None or made.tokens is None:
        return (name, digest, made.problem, b"", None, None, None, None)
    values, scales = made.tokens
    blobs = (made.vector.tobytes(), json.dumps(values.shape), values.tobytes(), scales.tobytes())
    return (name, digest, None, made.look, *blobs)


def _embedded(
    problem: str | None, look: bytes, vector: bytes | None, shape: str, tokens: bytes, scales: bytes
) -> Embedded:
    if vector is None:
        return Embedded(problem=problem)
    values = np.frombuffer(tokens, np.int8).reshape(json.loads(shape))
    return Embedded(look, np.frombuffer(vector, np.float32), (values, np.frombuffer(scales, np.float32)))
