"""The bootstrap interval covers the true difference as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trifuse.errors import ConfigurationError
from trifuse.training.bootstrap import Interval, paired_bootstrap

TRUTH = 0.3


def _coverage(draws: list[NDArray[np.float64]], confidence: float) -> float:
    intervals = [
        paired_bootstrap(draw, resamples=400, confidence=confidence, seed=seed)
        for seed, draw in enumerate(draws)
    ]
    return float(np.mean([interval.low <= TRUTH <= interval.high for interval in intervals]))


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_it_covers_the_truth_as_often_as_it_says(confidence: float) -> None:
    rng = np.random.default_rng(1)
    draws = [TRUTH + rng.normal(size=100) for _ in range(400)]
    assert _coverage(draws, confidence) == pytest.approx(confidence, abs=0.05)


def _crossed(rng: np.random.Generator) -> NDArray[np.float64]:
    """Differences that vary from seed to seed and from query to query."""
    seeds, queries = rng.normal(0, 0.2, (12, 1)), rng.normal(0, 0.5, (1, 60))
    return TRUTH + seeds + queries + rng.normal(0, 0.3, (12, 60))


def test_seeds_are_resampled_as_well() -> None:
    rng = np.random.default_rng(2)
    draws = [_crossed(rng) for _ in range(300)]
    assert _coverage(draws, 0.95) == pytest.approx(0.94, abs=0.04)
    # Queries alone say nothing about another training run, nor do all cells taken for independent.
    assert _coverage([draw.mean(axis=0) for draw in draws], 0.95) < 0.88
    assert _coverage([draw.ravel() for draw in draws], 0.95) < 0.6


def test_no_difference_is_no_interval() -> None:
    assert paired_bootstrap(np.zeros((3, 20)), resamples=50) == Interval(0.0, 0.0, 0.0)


def test_one_seed_is_the_plain_bootstrap() -> None:
    differences = np.random.default_rng(3).normal(size=30)
    assert paired_bootstrap(differences) == paired_bootstrap(differences[None])


def test_it_moves_scales_and_turns_with_the_differences() -> None:
    differences = np.random.default_rng(4).exponential(size=(3, 40))
    interval = paired_bootstrap(differences, resamples=500)
    assert interval.low < interval.mean < interval.high
    expected = 2 - 10 * np.array([interval.mean, interval.high, interval.low])
    turned = paired_bootstrap(2 - 10 * differences, resamples=500)
    np.testing.assert_allclose([turned.mean, turned.low, turned.high], expected)


def test_the_order_of_queries_and_seeds_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    differences = rng.normal(size=(4, 50))
    first = paired_bootstrap(differences)
    second = paired_bootstrap(rng.permutation(rng.permutation(differences, axis=0), axis=1))
    width = first.high - first.low
    assert second.mean == pytest.approx(first.mean)
    assert second.low == pytest.approx(first.low, abs=0.05 * width)
    assert second.high == pytest.approx(first.high, abs=0.05 * width)


def test_more_confidence_and_fewer_queries_widen_it() -> None:
    differences = np.random.default_rng(6).normal(size=400)
    widths = [
        interval.high - interval.low
        for interval in (
            paired_bootstrap(differences, confidence=0.5),
            paired_bootstrap(differences),
            paired_bootstrap(differences[:40]),
        )
    ]
    assert widths == sorted(widths)
    assert widths[1] == pytest.approx(2 * 1.96 / 20, rel=0.1)


def test_the_seed_decides_the_draws() -> None:
    differences = np.random.default_rng(7).normal(size=30)
    assert paired_bootstrap(differences, resamples=99, seed=1) == paired_bootstrap(
        differences, resamples=99, seed=1
    )
    assert paired_bootstrap(differences, resamples=99, seed=1) != paired_bootstrap(
        differences, resamples=99, seed=2
    )


@pytest.mark.parametrize(
    "differences", [np.array([]), np.zeros((2, 2, 2)), np.array([0.1, np.nan]), np.zeros((0, 3))]
)
def test_values_that_cannot_be_resampled_are_refused(differences: NDArray[np.float64]) -> None:
    with pytest.raises(ConfigurationError, match="cannot be resampled"):
        paired_bootstrap(differences)


@pytest.mark.parametrize(("confidence", "resamples"), [(0, 10), (1, 10), (95, 10), (0.95, 0)])
def test_impossible_settings_are_refused(confidence: float, resamples: int) -> None:
    with pytest.raises(ConfigurationError, match=f"confidence={confidence}, resamples={resamples}"):
        paired_bootstrap(np.ones(3), confidence=confidence, resamples=resamples)
