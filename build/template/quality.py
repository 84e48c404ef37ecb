"""Figures of how well windows are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.template.contract import CLASSES
from trifuse.training.metrics import f1_by_class

if TYPE_CHECKING:
    from numpy.typing import NDArray


def headline_values(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> dict[str, list[float]]:
    """List the values that the headline figures are means of; `scores` (n, classes), `labels` (n,)."""
    found = scores.argmax(axis=1)
    return {
        "accuracy": (found == labels).astype(float).tolist(),
        "macro_f1": list(f1_by_class(found, labels, len(CLASSES)).values()),
    }


def headline(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> dict[str, float]:
    """Compute the headline figures, of which higher is better."""
    return {name: float(np.mean(values)) for name, values in headline_values(scores, labels).items()}
