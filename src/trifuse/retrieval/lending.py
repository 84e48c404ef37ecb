"""Lends products with few buyers the neighbours by purchases of what looks like them.

What few people bought has few neighbours by purchases, and chance made many of them. With W the shares of a
product's look-alikes, by a kernel of cosines, and n its buyers, the neighbours N become

    N'[b, c] = N[b, c] + LENT * FEW / (FEW + n[c]) * sum over look-alikes l of W[c, l] * N[b, l]

(docs/decisions/0013-look-alikes-lend-neighbours.md has what it brings).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix, identity

from trifuse.retrieval.collaborative import strongest

if TYPE_CHECKING:
    from trifuse.retrieval.evidence import Nearest
    from trifuse.retrieval.statistics import PurchaseStatistics

LENT, FEW = 3.0, 5.0
LOOK_ALIKES, KERNEL_WIDTH = 10, 0.1
# Bounds the memory of the products of sparse matrices.
_ROWS = 1024


def lend(statistics: PurchaseStatistics, nearest: Nearest) -> PurchaseStatistics:
    """Return the statistics with the neighbours that products have and borrow."""
    known = _known(statistics)
    spread = identity(known.shape[0], np.float32, format="csr") + _borrowed(statistics, nearest)
    parts = [
        strongest((known[start : start + _ROWS] @ spread).tocsr(), start)
        for start in range(0, known.shape[0], _ROWS)
    ]
    neighbours, weights = map(np.concatenate, zip(*parts, strict=True))
    return replace(statistics, neighbours=neighbours, weights=weights)


def _known(statistics: PurchaseStatistics) -> csr_matrix:
    """Put the neighbours into a matrix (products, neighbours)."""
    size = len(statistics.product_ids)
    rows, places = np.nonzero(statistics.neighbours >= 0)
    columns = statistics.neighbours[rows, places]
    return csr_matrix((statistics.weights[rows, places], (rows, columns)), shape=(size, size))


def _borrowed(statistics: PurchaseStatistics, nearest: Nearest) -> csr_matrix:
    """Put what products borrow into a matrix (look-alikes, products); look-alikes never sold lend nothing."""
    names, positions = statistics.product_ids.tolist(), statistics.positions
    rows, columns, values = list[int](), list[int](), list[float]()
    for borrower, found in enumerate(nearest(names, LOOK_ALIKES)):
        sold = [(positions[name], cosine) for name, cosine in found if name in positions]
        shares = np.exp([(cosine - 1) / KERNEL_WIDTH for _, cosine in sold])
        shares *= LENT * FEW / (FEW + statistics.buyers[borrower]) / max(shares.sum(), np.finfo(float).tiny)
        rows += [lender for lender, _ in sold]
        columns += [borrower] * len(sold)
        values += shares.tolist()
    return csr_matrix((np.array(values, np.float32), (rows, columns)), shape=2 * (len(names),))
