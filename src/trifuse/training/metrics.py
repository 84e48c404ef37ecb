"""Ranking and matching metrics on plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def precision_at(relevant: NDArray[np.bool_], k: int) -> NDArray[np.float64]:
    """Share of relevant items among each query's first k; `relevant` is (queries, items) in rank order."""
    return np.asarray(relevant[:, :k].sum(axis=1) / k, dtype=np.float64)


def r_precision(relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Precision at the number of relevant items, a value a query that has any."""
    ranked = relevant[relevant.any(axis=1)]
    totals = ranked.sum(axis=1)
    hits = np.cumsum(ranked, axis=1)[np.arange(len(ranked)), totals - 1]
    return np.asarray(hits / totals, dtype=np.float64)


def average_precision(relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Average precision, a value a query that has any relevant item."""
    ranked = relevant[relevant.any(axis=1)]
    precision = np.cumsum(ranked, axis=1) / np.arange(1, ranked.shape[1] + 1)
    return np.asarray((precision * ranked).sum(axis=1) / ranked.sum(axis=1), dtype=np.float64)


def area_under_roc(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """Probability that a positive scores above a negative (ties count half)."""
    order = np.argsort(scores, kind="stable")
    _, group, counts = np.unique(scores[order], return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[group]
    positive = labels[order]
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
