"""From windows' scores to what is told of a lesson: curves of the class, and learners who agreed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.learning.contract import ABSENT, BEHAVIOURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trifuse.systems.learning.report.scores import WindowScore

# A figure of fewer learners would be about individuals.
FEWEST_LEARNERS = 3
# Of a bin's windows so many must have been observed, else there is not enough data.
LEAST_OBSERVED = 0.5


@dataclass(frozen=True)
class Bin:
    """A stretch of a lesson. `attention` (mean, lower and upper quartile over learners), `shares` of the
    behaviours and `present` are None where there is not enough data, which is not the same as 0.
    """

    start_s: float
    end_s: float
    observed: float
    learners: int
    attention: tuple[float, float, float] | None
    shares: Mapping[str, float] | None
    present: float | None


@dataclass(frozen=True)
class Individual:
    """A learner who agreed: windows, minutes observed, mean attention and shares of the behaviours."""

    learner: str
    windows: tuple[WindowScore, ...]
    observed_s: float
    attention: float | None
    shares: Mapping[str, float] | None


@dataclass(frozen=True)
class Summary:
    """A lesson: its bins (none where the class is too small), and who agreed; `withheld` learners did not.

    `versions` are those of the models that told what is summed up.
    """

    lesson: str
    duration_s: float
    learners: int
    bins: tuple[Bin, ...]
    individuals: tuple[Individual, ...]
    withheld: int
    versions: tuple[int, ...]


def summarise(lesson: str, scores: Sequence[WindowScore], consenting: Iterable[str], bin_s: float) -> Summary:
    """Sum a lesson up in bins of `bin_s` seconds; learners who are not among the consenting stay unnamed."""
    by_learner: dict[str, list[WindowScore]] = {}
    for one in scores:
        by_learner.setdefault(one.learner, []).append(one)
    duration_s = max((one.end_s for one in scores), default=0.0)
    starts = np.arange(0.0, duration_s, bin_s).tolist() if len(by_learner) >= FEWEST_LEARNERS else []
    agreed = [name for name in by_learner if name in set(consenting)]
    return Summary(
        lesson,
        duration_s,
        len(by_learner),
        tuple(_bin(by_learner, start_s, min(start_s + bin_s, duration_s)) for start_s in starts),
        tuple(_individual(name, by_learner[name]) for name in agreed),
        len(by_learner) - len(agreed),
        tuple(sorted({one.observation.version for one in scores if one.observation})),
    )


def _bin(by_learner: Mapping[str, Sequence[WindowScore]], start_s: float, end_s: float) -> Bin:
    inside = {
        name: [one for one in scores if start_s <= one.start_s < end_s] for name, scores in by_learner.items()
    }
    windows = [one for scores in inside.values() for one in scores]
    seen = {name: [one for one in scores if one.observation] for name, scores in inside.items()}
    seen = {name: scores for name, scores in seen.items() if scores}
    told = [one for scores in seen.values() for one in scores]
    observed = len(told) / len(windows) if windows else 0.0
    if observed < LEAST_OBSERVED or len(seen) < FEWEST_LEARNERS:
        return Bin(start_s, end_s, observed, len(seen), None, None, None)
    shares = shares_of(told)
    levels = [level for scores in seen.values() if (level := mean_attention(scores)) is not None]
    attention = None
    if len(levels) >= FEWEST_LEARNERS:
        low, high = np.quantile(levels, [0.25, 0.75]).tolist()
        attention = (float(np.mean(levels)), low, high)
    return Bin(start_s, end_s, observed, len(seen), attention, shares, 1 - shares[ABSENT])


def _individual(learner: str, scores: Sequence[WindowScore]) -> Individual:
    told = [one for one in scores if one.observation]
    enough = len(told) >= LEAST_OBSERVED * len(scores)
    observed_s = sum(one.end_s - one.start_s for one in told)
    attention = mean_attention(told) if enough else None
    return Individual(learner, tuple(scores), observed_s, attention, shares_of(told) if enough else None)


def mean_attention(scores: Iterable[WindowScore]) -> float | None:
    """Average the expected levels of windows in which somebody was there; None without any."""
    levels = [one.attention for one in scores if one.attention is not None]
    return float(np.mean(levels)) if levels else None


def shares_of(scores: Sequence[WindowScore]) -> dict[str, float]:
    """Tell the share of every behaviour in windows that were observed."""
    counts = Counter(one.behaviour for one in scores)
    return {name: counts[name] / len(scores) for name in BEHAVIOURS}
