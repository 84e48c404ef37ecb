"""Figures of how well windows are told: behaviours as classes, attention on its ordinal scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.systems.learning.contract import BEHAVIOURS, LEVELS, MODALITIES
from trifuse.systems.learning.labels import LABELS
from trifuse.training.clips.subsets import subsets
from trifuse.training.metrics import f1_by_class, quadratic_kappa

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float32]
    Labels = NDArray[np.int64]

SUBSETS = subsets({name: (name,) for name in MODALITIES}, MODALITIES)
_BEHAVIOUR, _ATTENTION = LABELS.index("behaviour"), LABELS.index("attention")


def headline_values(behaviours: Scores, attention: Scores, labels: Labels) -> dict[str, list[float]]:
    """List the values that the headline figures are means of, of all that is labelled.

    `accuracy` has one a window, `macro_f1` one a behaviour that occurs, `kappa` (quadratic) a single one.
    `behaviours` (n, 7) and `attention` (n, 4) are probabilities, `labels` (n, …) as in LABELS.
    """
    values: dict[str, list[float]] = {}
    told = labels[:, _BEHAVIOUR] >= 0
    if told.any():
        found, truth = behaviours[told].argmax(axis=1), labels[told, _BEHAVIOUR]
        values["accuracy"] = (found == truth).astype(float).tolist()
        values["macro_f1"] = list(f1_by_class(found, truth, len(BEHAVIOURS)).values())
    told = labels[:, _ATTENTION] >= 0
    if told.any():
        levels = np.rint(expected_level(attention[told])).astype(np.int64)
        values["kappa"] = [quadratic_kappa(levels, labels[told, _ATTENTION], len(LEVELS))]
    return values


def headline(behaviours: Scores, attention: Scores, labels: Labels) -> dict[str, float]:
    """Compute the headline figures, of which higher is better."""
    values = headline_values(behaviours, attention, labels)
    return {name: float(np.mean(found)) for name, found in values.items()}


def figures(behaviours: Scores, attention: Scores, labels: Labels) -> dict[str, float]:
    """Compute the headline figures, and the mean squared error of the expected attention level."""
    told = labels[:, _ATTENTION] >= 0
    errors = expected_level(attention[told]) - labels[told, _ATTENTION]
    mse = {"ordinal_mse": float(np.mean(errors**2))} if told.any() else {}
    return headline(behaviours, attention, labels) | mse


def details(behaviours: Scores, attention: Scores, labels: Labels) -> dict[str, Any]:
    """Report each behaviour, and how the levels are confused, (told, labelled)."""
    told, rated = labels[:, _BEHAVIOUR] >= 0, labels[:, _ATTENTION] >= 0
    found, truth = behaviours[told].argmax(axis=1), labels[told, _BEHAVIOUR]
    f1 = f1_by_class(found, truth, len(BEHAVIOURS))
    confusion = np.zeros((len(LEVELS), len(LEVELS)), int)
    levels = np.rint(expected_level(attention[rated])).astype(np.int64)
    np.add.at(confusion, (levels, labels[rated, _ATTENTION]), 1)
    return {
        "windows": len(labels),
        "f1": {BEHAVIOURS[number]: value for number, value in f1.items()},
        "positives": {name: int((truth == number).sum()) for number, name in enumerate(BEHAVIOURS)},
        "levels": confusion.tolist(),
    }


def expected_level(attention: Scores) -> NDArray[np.float64]:
    """Compute the expected attention level (n,) of probabilities (n, 4)."""
    return np.asarray(attention @ np.arange(len(LEVELS)), dtype=np.float64)
