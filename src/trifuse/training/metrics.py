"""Metrics of ranking, matching, classes and ordinal scales, on plain arrays."""

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


def f1_by_class(found: NDArray[np.integer], labels: NDArray[np.integer], classes: int) -> dict[int, float]:
    """Compute the F1 of every class that occurs in the labels (n,); their mean is the macro-F1."""
    scores = {}
    for number in range(classes):
        given, told = labels == number, found == number
        if given.any():
            scores[number] = float(2 * (given & told).sum() / (given.sum() + told.sum()))
    return scores


def quadratic_kappa(found: NDArray[np.integer], labels: NDArray[np.integer], levels: int) -> float:
    """Agreement of two ordinal ratings (n,) beyond chance, far errors weighing more: 1 if they are equal.

    Source: Cohen 1968 (https://doi.org/10.1037/h0026256).
    """
    observed = np.zeros((levels, levels))
    np.add.at(observed, (found, labels), 1)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / len(labels)
    weights = np.subtract.outer(np.arange(levels), np.arange(levels)) ** 2
    by_chance = float((weights * expected).sum())
    return 1 - float((weights * observed).sum()) / by_chance if by_chance else 1.0
