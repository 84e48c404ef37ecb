"""Generated vectors that lie as embeddings do: in clusters of few dimensions, of different sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_CHUNK = 16_384
# A vector is centre + noise, then unit length: the noise is about as long as the centre times _SPREAD, which
# gives two vectors of a cluster a cosine of about 1 / (1 + _SPREAD²) = 0.67.
_SPREAD = 0.7
# Centres lie around the centres of regions in the same way.
_REGION_SPREAD = 1.0
# The noise has this many directions, the same in all clusters, weighted 1, 1/√2, 1/√3, …, and a little of
# every other direction.
_DIRECTIONS, _REST = 48, 0.1


class Clusters:
    """A mixture of Gaussians on the unit sphere, whose centres form about √`clusters` regions.

    Cluster sizes follow Zipf's law with exponent 0.5: of 4,000 clusters the largest has 60 times the vectors
    of the smallest. Vectors and queries are drawn from the same mixture, so a query is near stored vectors,
    and a copy of none.
    """

    def __init__(self, dim: int, clusters: int, seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        regions = generator.standard_normal((max(1, round(clusters**0.5)), dim), np.float32)
        around = generator.standard_normal((clusters, dim), np.float32)
        self._centres = _unit(
            regions[generator.integers(len(regions), size=clusters)] + _REGION_SPREAD * around
        )
        weights = 1 / np.sqrt(np.arange(1, clusters + 1))
        self._shares = weights / weights.sum()
        self._directions = _directions(generator, dim)
        self._seed = seed

    def vectors(self, count: int) -> Iterator[NDArray[np.float32]]:
        """Draw unit vectors, in parts."""
        generator = np.random.default_rng((self._seed, 1))
        for start in range(0, count, _CHUNK):
            yield self._draw(generator, min(_CHUNK, count - start))

    def queries(self, count: int) -> NDArray[np.float32]:
        """Draw unit vectors that `vectors` does not give."""
        return self._draw(np.random.default_rng((self._seed, 2)), count)

    def _draw(self, generator: np.random.Generator, count: int) -> NDArray[np.float32]:
        centres = self._centres[generator.choice(len(self._centres), count, p=self._shares)]
        noise = generator.standard_normal((count, len(self._directions)), np.float32) @ self._directions
        rest = generator.standard_normal(centres.shape, np.float32)
        rest *= _REST / centres.shape[1] ** 0.5
        return _unit(centres + noise + rest)


def _directions(generator: np.random.Generator, dim: int) -> NDArray[np.float32]:
    """Draw orthogonal directions whose weights make the noise _SPREAD long."""
    count = min(_DIRECTIONS, dim)
    orthogonal, _ = np.linalg.qr(generator.standard_normal((dim, count)))
    weights = 1 / np.sqrt(np.arange(1, count + 1))
    scaled = orthogonal.T * (weights / np.linalg.norm(weights))[:, None]
    return np.asarray(_SPREAD * scaled, np.float32)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
