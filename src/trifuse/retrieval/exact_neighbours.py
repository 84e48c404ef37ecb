"""Exact content neighbours from vectors in memory: what the benchmark puts in the place of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trifuse.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class ExactNeighbours:
    """Ranks all products by the cosine to each of them, once; `vectors` (n, dimensions) have unit length."""

    def __init__(self, ids: Sequence[str], vectors: NDArray[np.float32], top: int) -> None:
        similarity = vectors @ vectors.T
        np.fill_diagonal(similarity, -np.inf)
        order = np.argsort(-similarity, axis=1, kind="stable")[:, : min(top, len(ids) - 1)]
        cosines = np.take_along_axis(similarity, order, axis=1)
        names = np.array(ids)[order]
        self._found = {
            name: list(zip(*pair, strict=True))
            for name, *pair in zip(ids, names.tolist(), cosines.tolist(), strict=True)
        }

    @classmethod
    def read(cls, path: Path, top: int) -> ExactNeighbours:
        """Read an .npz file with `ids` (n,) and `vectors` (n, dimensions). Raises ArtifactError."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                ids, vectors = arrays["ids"], arrays["vectors"].astype(np.float32)
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise ArtifactError(f"the vectors {path} cannot be read", got=error) from error
        if vectors.ndim != 2 or ids.shape != vectors.shape[:1] or len(set(ids.tolist())) != len(ids):
            raise ArtifactError(
                f"{path} does not hold a vector a product",
                got=f"ids {ids.shape}, vectors {vectors.shape}, {len(set(ids.tolist()))} different ids",
                expected="ids (n,), all different, and vectors (n, dimensions)",
            )
        lengths = np.linalg.norm(vectors, axis=1)
        if not np.allclose(lengths, 1.0, atol=1e-2):
            raise ArtifactError(
                f"the vectors of {path} are not of unit length",
                got=f"lengths from {lengths.min():.3f} to {lengths.max():.3f}",
            )
        return cls(ids.tolist(), vectors, top)

    def __call__(self, product_ids: Sequence[str], top: int) -> list[list[tuple[str, float]]]:
        """List up to `top` (product id, cosine) for every product, the best first; none for an unknown."""
        return [self._found.get(name, [])[:top] for name in product_ids]
