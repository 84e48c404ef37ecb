"""What the catalogue's index asks of a vector store, whichever it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from trifuse.errors import ArtifactError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.retrieval.filters import Filters

HEADER = "vectors.json"
# Half precision leaves a norm about 5e-4 off; what an encoder forgot to normalise is further away.
_NORM_TOLERANCE = 5e-3


class Vectors(Protocol):
    """Vectors (unit length, inner product) by integer key, with attributes to filter by."""

    dim: int

    def __len__(self) -> int:
        """Count the keys."""
        ...

    def upsert(
        self, keys: NDArray[np.int64], vectors: NDArray[np.float32], attributes: Sequence[Mapping[str, Any]]
    ) -> None:
        """Store (n, dim) vectors with their attributes; a known key's are replaced.

        Keys are not negative and differ. Raises InputError, storing nothing.
        """
        ...

    def delete(self, keys: NDArray[np.int64]) -> None:
        """Forget keys; unknown ones are ignored."""
        ...

    def search(
        self, queries: NDArray[np.float32], top: int, filters: Filters | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the vectors nearest to (n, dim) queries: (n, top) keys and scores, best first, ties by key.

        Where there are fewer, the key is -1 and the score -inf. An empty store matches nothing. Raises
        InputError.
        """
        ...

    def matches(self, keys: NDArray[np.int64], filters: Filters) -> NDArray[np.bool_]:
        """Tell which keys are stored and match. Raises InputError for an unknown attribute."""
        ...

    def vectors(self, keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """Give the stored vectors, (n, dim). Raises InputError for an unknown key."""
        ...

    def save(self, folder: Path) -> None:
        """Write what `load_vectors` needs, in the place of what the folder held."""
        ...


def load_vectors(folder: Path) -> Vectors:
    """Load what any adapter has saved. Raises ArtifactError, or EnvironmentSetupError without its library."""
    header = read_header(folder)
    if header["adapter"] == "faiss":
        from trifuse.retrieval.faiss_vectors import FaissVectors

        return FaissVectors.load(folder)
    if header["adapter"] == "qdrant":
        from trifuse.retrieval.qdrant_vectors import QdrantVectors

        return QdrantVectors.load(folder)
    raise ArtifactError(
        f"{folder} was written by an unknown vector store", got=header["adapter"], expected="faiss or qdrant"
    )


def read_header(folder: Path) -> dict[str, Any]:
    """Read what a folder of vectors says of itself. Raises ArtifactError."""
    try:
        header: dict[str, Any] = json.loads((folder / HEADER).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{folder} holds no vectors", got=error, hint="Build the index of the catalogue first"
        ) from error
    if not isinstance(header, dict) or "adapter" not in header:
        raise ArtifactError(f"{folder / HEADER} is damaged", hint="Build the index of the catalogue again")
    return header


def check_upsert(
    dim: int,
    keys: NDArray[np.int64],
    vectors: NDArray[np.float32],
    attributes: Sequence[Mapping[str, Any]],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Check what is to be stored. Raises InputError."""
    keys = np.asarray(keys, np.int64)
    if len({len(keys), len(vectors), len(attributes)}) != 1:
        got = f"{len(keys)} keys, {len(vectors)} vectors, {len(attributes)} items' attributes"
        raise InputError("keys, vectors and attributes differ in number", got=got)
    if (keys < 0).any() or len(np.unique(keys)) != len(keys):
        raise InputError(
            "keys are negative or come twice", got=keys.tolist()[:20], expected="different, from 0"
        )
    return keys, check_vectors(dim, vectors, "vectors")


def check_search(dim: int, queries: NDArray[np.float32], top: int) -> NDArray[np.float32]:
    """Check a search's arguments. Raises InputError."""
    if top < 1:
        raise InputError("a search asks for no results", got=top, expected="top of 1 or more")
    return check_vectors(dim, queries, "queries")


def check_vectors(dim: int, vectors: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Check the shape and the length of vectors. Raises InputError."""
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise InputError(f"{name} have the wrong shape", got=vectors.shape, expected=f"(n, {dim})")
    norms = np.linalg.norm(vectors, axis=1)
    wrong = np.flatnonzero(~(np.abs(norms - 1) <= _NORM_TOLERANCE))
    if len(wrong):
        raise InputError(
            f"{name} are not of unit length",
            got=f"{norms[wrong[0]]:.4g} in row {wrong[0]}",
            expected="1",
            hint="Divide each by its norm; a norm of 0 or nan means that the encoder failed",
        )
    return vectors


def unknown_keys(keys: NDArray[np.int64]) -> InputError:
    """Make the error for keys that are not stored."""
    return InputError("keys are not in the index", got=keys.tolist()[:20], hint="They may have been deleted")
