"""Orders of hits: several rankings as one, and variants of one thing as one hit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_RANK_OFFSET = 60
_FEWEST_EDGES = 16


def reciprocal_rank_fusion(rankings: Sequence[tuple[Sequence[int], float]], size: int) -> NDArray[np.float32]:
    """Score `size` items by their places in several rankings (item numbers, best first; what it counts).

    Source: Cormack et al. 2009, section 2 (https://doi.org/10.1145/1571941.1572114), with its constant 60.
    """
    scores = np.zeros(size, np.float32)
    for ranking, weight in rankings:
        scores[list(ranking)] += weight / (_RANK_OFFSET + 1 + np.arange(len(ranking), dtype=np.float32))
    return scores


def group_variants(products: Sequence[str], looks: Sequence[bytes], most_bits: int) -> NDArray[np.int32]:
    """Number the groups of hits, in the order of the hits, that show one product or the same photo.

    `looks` are the photos' difference hashes (empty without a photo); photos whose hashes differ in
    `most_bits` at most are the same, encoded differently.
    """
    groups = np.full(len(products), -1, np.int32)
    alike = _distances(looks) <= most_bits
    first: dict[str, int] = {}
    for index, product in enumerate(products):
        earlier = np.flatnonzero(alike[index, :index])
        if product in first:
            groups[index] = groups[first[product]]
        elif earlier.size:
            groups[index] = groups[earlier[0]]
        else:
            groups[index] = groups.max() + 1
        first.setdefault(product, index)
    return groups


def _distances(looks: Sequence[bytes]) -> NDArray[np.float32]:
    """Count the bits in which hashes differ; where one is missing or of one colour, no number is enough."""
    size = max(map(len, looks), default=0)
    padded = b"".join(look.ljust(size, b"\0") for look in looks)
    bits = np.unpackbits(np.frombuffer(padded, np.uint8).reshape(len(looks), size), axis=1).astype(np.float32)
    distances = bits @ (1 - bits).T + (1 - bits) @ bits.T
    # A plain placeholder has hardly an edge, and says nothing about the product.
    known = bits.sum(axis=1) >= _FEWEST_EDGES
    return np.where(known[:, None] & known[None], distances, np.float32(np.inf))
