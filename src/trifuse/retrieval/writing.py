"""Makes a new version of a catalogue's index: from nothing, or from the version before with changes."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.errors import ContractMismatchError
from trifuse.retrieval.documents import Documents
from trifuse.retrieval.faiss_vectors import FaissVectors
from trifuse.retrieval.index import DOCUMENTS, VECTORS, read_settings
from trifuse.retrieval.token_store import TokenStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.retrieval.documents import Document
    from trifuse.retrieval.index import IndexSettings

_BATCH = 4096


@dataclass(frozen=True)
class Entry:
    """A document with its unit vector (dim,), its quantised image tokens and what it can be filtered by.

    `tokens` are the values (tokens, dim) and the scales (tokens,).
    """

    document: Document
    vector: NDArray[np.float32]
    tokens: tuple[NDArray[np.int8], NDArray[np.float32]]
    attributes: Mapping[str, Any]


def write_index(
    folder: Path,
    settings: IndexSettings,
    entries: Iterable[Entry],
    deleted: Sequence[str] = (),
    previous: Path | None = None,
) -> dict[str, Any]:
    """Write an index into an empty folder: what `previous` holds, without `deleted`, with `entries`.

    Entries replace documents of the same id. Returns what is to be told of the index, the measured kinds of
    vector index among it. Raises ContractMismatchError when `previous` was made with other encoders.
    """
    tokens = TokenStore(folder, settings.tokens, settings.dim)
    vectors = FaissVectors(settings.dim)
    if previous:
        check_same_encoders(read_settings(previous), settings.model_version)
        vectors = FaissVectors.load(previous / VECTORS)
        shutil.copyfile(previous / DOCUMENTS, folder / DOCUMENTS)
        TokenStore(previous, settings.tokens, settings.dim).share(folder)
    with Documents.edit(folder / DOCUMENTS) as documents:
        gone = list(documents.keys(deleted).values())
        documents.remove(gone)
        vectors.delete(np.array(gone, np.int64))
        for batch in _batches(entries):
            keys = _keys(documents, batch)
            documents.put(zip(keys, (entry.document for entry in batch), strict=True))
            vectors.upsert(
                np.array(keys, np.int64),
                np.stack([entry.vector for entry in batch]),
                [entry.attributes for entry in batch],
            )
            tokens.write(dict(zip(keys, (entry.tokens for entry in batch), strict=True)))
    if not vectors.choice.candidates and len(vectors) > vectors.settings.exact_up_to:
        vectors.optimise()
    vectors.save(folder / VECTORS)
    return {"settings": asdict(settings), "documents": len(vectors), "vectors": asdict(vectors.choice)}


def check_same_encoders(previous: IndexSettings, model_version: int) -> None:
    """Refuse to add vectors of other encoders to an index. Raises ContractMismatchError."""
    if previous.model_version != model_version:
        raise ContractMismatchError(
            "the index holds vectors of other encoders",
            got=f"version {previous.model_version}",
            expected=f"version {model_version}",
            hint="Build the index again instead of changing it",
        )


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Split entries; of two with the same id in a batch the last one counts."""
    remaining = iter(entries)
    while batch := list(islice(remaining, _BATCH)):
        yield list({entry.document.id: entry for entry in batch}.values())


def _keys(documents: Documents, batch: Sequence[Entry]) -> list[int]:
    known = documents.keys([entry.document.id for entry in batch])
    following = count(documents.next_key())
    ids = [entry.document.id for entry in batch]
    return [known[name] if name in known else next(following) for name in ids]
