"""The rule that a compression step must not cost more quality than its recipe allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trifuse.errors import ToleranceError

if TYPE_CHECKING:
    from collections.abc import Mapping


def largest_drop(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[str, float]:
    """Find the metric that fell most, and by how much; one that is not a number fell without limit."""
    drops = {metric: before[metric] - after[metric] for metric in before}
    finite = {metric: drop if math.isfinite(drop) else math.inf for metric, drop in drops.items()}
    metric = max(finite, key=finite.__getitem__)
    return metric, finite[metric]


def check_drop(step: str, before: Mapping[str, float], after: Mapping[str, float], tolerance: float) -> None:
    """Compare all metrics of the dev part before and after a step. Raises ToleranceError."""
    metric, drop = largest_drop(before, after)
    if drop > tolerance:
        raise ToleranceError(
            f"the {step} step costs too much {metric} on the dev part",
            got=f"{after[metric]:.4f} after {before[metric]:.4f}, a drop of {drop:.4f}",
            expected=f"a drop of at most {tolerance:.4f}",
            hint="Train longer, compress less, or raise the step's tolerance in the recipe",
        )
