from __future__ import annotations

import math

import pytest

from trifuse.compression.tolerance import check_drop, largest_drop
from trifuse.errors import ToleranceError

BEFORE = {"map": 0.80, "auc": 0.90}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"map": 0.79, "auc": 0.85}, ("auc", 0.05)),
        ({"map": 0.70, "auc": 0.95}, ("map", 0.10)),
        ({"map": 0.85, "auc": 0.91}, ("auc", -0.01)),
        ({"map": 0.80, "auc": 0.90, "new": 0.0}, ("map", 0.0)),
    ],
)
def test_the_metric_that_fell_most(after: dict[str, float], expected: tuple[str, float]) -> None:
    metric, drop = largest_drop(BEFORE, after)
    assert (metric, drop) == (expected[0], pytest.approx(expected[1]))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_fell_without_limit(value: float) -> None:
    assert largest_drop(BEFORE, {"map": value, "auc": 0.1}) == ("map", math.inf)
    with pytest.raises(ToleranceError, match="costs too much map"):
        check_drop("prune", BEFORE, BEFORE | {"map": value}, tolerance=1.0)


def test_a_drop_of_exactly_the_tolerance_is_allowed() -> None:
    check_drop("prune", {"map": 0.75}, {"map": 0.5}, tolerance=0.25)
    check_drop("prune", {"map": 0.75}, {"map": 1.0}, tolerance=0.0)
    with pytest.raises(ToleranceError):
        check_drop("prune", {"map": 0.75}, {"map": 0.5}, tolerance=0.249)


def test_the_error_tells_the_figure_and_the_limit() -> None:
    with pytest.raises(ToleranceError) as raised:
        check_drop("prune", BEFORE, {"map": 0.795, "auc": 0.85}, tolerance=0.02)
    assert str(raised.value) == (
        "the prune step costs too much auc on the dev part: "
        "got 0.8500 after 0.9000, a drop of 0.0500, expected a drop of at most 0.0200. "
        "Train longer, compress less, or raise the step's tolerance in the recipe"
    )
    assert raised.value.exit_code == 1
