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


def placement_values(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of negatives that each positive scores above (ties count half); their mean is the AUC.

    Source: DeLong et al. 1988 (https://doi.org/10.2307/2531595), section 2.
    """
    negatives = np.sort(scores[~labels])
    below = np.searchsorted(negatives, scores[labels], side="left")
    below_or_equal = np.searchsorted(negatives, scores[labels], side="right")
    return np.asarray((below + below_or_equal) / (2 * len(negatives)), dtype=np.float64)


def area_under_roc(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """Probability that a positive scores above a negative (ties count half)."""
    return float(placement_values(scores, labels).mean())


def ndcg_at(relevant: NDArray[np.bool_], totals: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    """Compute nDCG@k of rankings (queries, k or more) for queries with `totals` relevant items each.

    A query without any has 0. Source: Järvelin and Kekäläinen 2002 (https://doi.org/10.1145/582415.582418).
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[np.inf], np.cumsum(discounts)])[np.minimum(totals, k)]
    return np.asarray((relevant[:, :k] * discounts).sum(axis=1) / ideal, dtype=np.float64)


def reciprocal_rank(relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """One over the place of each ranking's first relevant item; 0 without one. (queries, items)."""
    return np.asarray(relevant.any(axis=1) / (relevant.argmax(axis=1) + 1), dtype=np.float64)
