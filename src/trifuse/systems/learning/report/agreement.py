"""How well a report agrees with what was true, for recordings of which that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trifuse.errors import InputError
from trifuse.systems.learning.contract import BEHAVIOURS, LEVELS
from trifuse.training.metrics import f1_by_class, quadratic_kappa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trifuse.systems.learning.report.scores import WindowScore

# A window shows an act that fills so much of it; others are between two acts, and nobody could tell.
_LEAST_OVERLAP = 0.8


class Pair(NamedTuple):
    """A window's score and the act (`behaviour`, perhaps `attention`) that it shows."""

    score: WindowScore
    truth: Mapping[str, Any]


def agreement(
    scores: Sequence[WindowScore], truth: Mapping[str, Sequence[Mapping[str, Any]]], bin_s: float
) -> dict[str, float]:
    """Compare windows with the truth of each learner, and the curves of the class in bins of `bin_s`.

    Raises InputError where nothing can be compared.
    """
    pairs = _pairs(scores, truth)
    told = np.array([BEHAVIOURS.index(str(one.score.behaviour)) for one in pairs])
    true = np.array([BEHAVIOURS.index(one.truth["behaviour"]) for one in pairs])
    rated = [one for one in pairs if one.score.attention is not None and "attention" in one.truth]
    levels = np.array([one.score.attention for one in rated], np.float64)
    known = np.array([one.truth["attention"] for one in rated])
    return {
        "windows": len(pairs),
        "accuracy": float((told == true).mean()),
        "macro_f1": float(np.mean(list(f1_by_class(told, true, len(BEHAVIOURS)).values()))),
        "mean_absolute_error": float(np.abs(levels - known).mean()),
        "ordinal_mse": float(((levels - known) ** 2).mean()),
        "kappa": quadratic_kappa(np.rint(levels).astype(int), known, len(LEVELS)),
        "class_curve_correlation": _correlation(rated, bin_s),
    }


def _pairs(scores: Sequence[WindowScore], truth: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Pair]:
    if unknown := {one.learner for one in scores} - truth.keys():
        raise InputError(
            "there is no truth of some learners",
            got=", ".join(sorted(unknown)),
            hint="Compare a report that was made without pseudonyms",
        )
    pairs = [pair for one in scores for pair in _paired(one, truth[one.learner])]
    if not pairs:
        raise InputError("no window of the report shows an act that is known", got=f"{len(scores)} windows")
    return pairs


def _paired(score: WindowScore, acts: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Find the act that a window shows; none if it was not observed, or lies between two acts."""
    if not score.observation:
        return []
    length_s = score.end_s - score.start_s
    for act in acts:
        common_s = min(score.end_s, act["end_s"]) - max(score.start_s, act["start_s"])
        if common_s >= _LEAST_OVERLAP * length_s:
            return [Pair(score, act)]
    return []


def _correlation(pairs: Sequence[Pair], bin_s: float) -> float:
    """Pearson's correlation of the class's mean attention, told and true, over the bins."""
    bins: dict[int, list[tuple[float, float]]] = {}
    for score, act in pairs:
        bins.setdefault(int(score.start_s // bin_s), []).append(
            (float(score.attention or 0), act["attention"])
        )
    means = np.array([np.mean(values, axis=0) for values in bins.values()])
    return float(np.corrcoef(means.T)[0, 1]) if len(means) > 1 else float("nan")
