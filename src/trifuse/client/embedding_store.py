"""Embeddings of a catalogue, computed once and kept on disk."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from trifuse.artifacts import write_file
from trifuse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.catalog import Item

CHUNK = 32


def load_embeddings(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read stored embeddings by item id; a file that is not there holds none."""
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return dict(zip(stored["ids"].tolist(), stored["embeddings"], strict=True))


def store_embeddings(path: Path, embeddings: Mapping[str, NDArray[np.float32]]) -> None:
    """Write embeddings by item id, completely or not at all."""
    content = io.BytesIO()
    np.savez(content, ids=np.array(list(embeddings)), embeddings=np.array(list(embeddings.values())))
    write_file(path, content.getvalue())


def nearest(
    query: NDArray[np.float32], embeddings: Mapping[str, NDArray[np.float32]], top: int
) -> list[tuple[str, float]]:
    """Rank items by their dot product with the query, best first: exact search.

    Raises InputError when there are no items.
    """
    if not embeddings:
        raise InputError(
            "the catalogue holds no photo that can be searched", hint="The messages above say why"
        )
    scores = np.array(list(embeddings.values())) @ query
    ids = list(embeddings)
    return [(ids[index], float(scores[index])) for index in np.argsort(-scores, kind="stable")[:top]]


def embed_items(
    items: Sequence[Item],
    embed: Callable[[Sequence[Path]], NDArray[np.float32]],
    skip: Callable[[Item, InputError], None],
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Embed the items' photos, yielding a part at a time; `skip` is told of those that cannot be used."""
    for start in range(0, len(items), CHUNK):
        yield _embed_usable(items[start : start + CHUNK], embed, skip)


def _embed_usable(
    items: Sequence[Item],
    embed: Callable[[Sequence[Path]], NDArray[np.float32]],
    skip: Callable[[Item, InputError], None],
) -> dict[str, NDArray[np.float32]]:
    """Halve a refused part until the refused photos stand alone."""
    try:
        return dict(zip([item.id for item in items], embed([item.path for item in items]), strict=True))
    except InputError as error:
        if len(items) == 1:
            skip(items[0], error)
            return {}
        middle = len(items) // 2
        return _embed_usable(items[:middle], embed, skip) | _embed_usable(items[middle:], embed, skip)
