"""One rule for k-of-n and the median: the k-th largest of the last n scores."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifuse.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

_PATTERN = re.compile(r"(?:median/(?P<odd>\d+)|(?P<k>\d+)/(?P<n>\d+))")
_EXPECTED = "K/N such as 2/3 with 1 <= K <= N, or median/N with an odd N"


@dataclass(frozen=True)
class Smoothing:
    """At least `k` of the last `n` windows must be above a threshold: their k-th largest score is.

    With n = 2k - 1 this is the median.
    """

    k: int = 2
    n: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n:
            raise ConfigurationError("no such smoothing", got=f"{self.k}/{self.n}", expected=_EXPECTED)

    @classmethod
    def parse(cls, text: str) -> Smoothing:
        """Read `2/3` or `median/5`. Raises ConfigurationError."""
        found = _PATTERN.fullmatch(text)
        if not found or (found["odd"] and int(found["odd"]) % 2 == 0):
            raise ConfigurationError("no such smoothing", got=text, expected=_EXPECTED)
        if found["odd"]:
            return cls((int(found["odd"]) + 1) // 2, int(found["odd"]))
        return cls(int(found["k"]), int(found["n"]))

    def __call__(self, scores: Iterable[float]) -> float:
        """Smooth the last scores, of which there may be fewer than n: what is not there counts as 0."""
        largest = sorted(scores, reverse=True)
        return largest[self.k - 1] if len(largest) >= self.k else 0.0
