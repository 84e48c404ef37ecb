"""Exact content neighbours from vectors in memory: what the benchmark puts in the place of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trifuse.retrieval.index import CatalogueIndex

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
    def of_index(cls, folder: Path, top: int) -> ExactNeighbours:
        """Rank the products of a published index. Raises ArtifactError."""
        return cls(*CatalogueIndex.load(folder).product_vectors(), top)

    def __call__(self, product_ids: Sequence[str], top: int) -> list[list[tuple[str, float]]]:
        """List up to `top` (product id, cosine) for every product, the best first; none for an unknown."""
        return [self._found.get(name, [])[:top] for name in product_ids]
