"""Confidence intervals of the difference between two systems that answered the same queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifuse.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds of its confidence interval, in the unit of the differences."""

    mean: float
    low: float
    high: float


def paired_bootstrap(
    differences: NDArray[np.floating], *, resamples: int = 10_000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Estimate the mean difference with its percentile interval from per-query differences.

    `differences` is (queries,), or (training seeds, queries) with the same queries for every seed: then seeds
    and queries are resampled independently of each other, so that the interval covers another training run on
    other queries. With a handful of seeds it is somewhat too narrow. Raises ConfigurationError for values
    that are none, not finite or of another shape, for a confidence outside (0, 1) and for no resamples.

    Sources: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13 for the percentile
    interval; Owen, The pigeonhole bootstrap (https://doi.org/10.1214/07-AOAS122), for both factors.
    """
    by_seed = np.atleast_2d(np.asarray(differences, dtype=np.float64))
    _check(by_seed, resamples, confidence)
    seeds, queries = by_seed.shape
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    for index in range(resamples):
        by_query = by_seed[generator.integers(seeds, size=seeds)].mean(axis=0)
        means[index] = by_query[generator.integers(queries, size=queries)].mean()
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(by_seed.mean()), float(low), float(high))


def _check(differences: NDArray[np.float64], resamples: int, confidence: float) -> None:
    if differences.ndim != 2 or not differences.size or not np.isfinite(differences).all():
        raise ConfigurationError(
            "these differences cannot be resampled",
            got=f"shape {differences.shape}, {int((~np.isfinite(differences)).sum())} values not finite",
            expected="finite values, (queries,) or (seeds, queries)",
        )
    if not 0 < confidence < 1 or resamples < 1:
        raise ConfigurationError(
            "this is no bootstrap interval",
            got=f"confidence={confidence}, resamples={resamples}",
            expected="0 < confidence < 1 and at least 1 resample",
        )
