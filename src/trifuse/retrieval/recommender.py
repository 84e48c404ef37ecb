"""Recommends products for a purchase history: who buys this also buys that, what looks alike, what sells.

Every candidate's score is the sum of four parts. For a product that the user has not bought,

    collaborative = c * (weights of neighbours by purchases, summed over the history) * p / (the largest such)
    content       = t * u * (kernel of cosines, summed over the history) * p * f / (the largest such)
    popularity    = s * p

where p = (sales rate / highest sales rate) ** exponent, u = 1 + new_user * 3 / (3 + purchases) weighs content
more for users with few purchases, and f = 1 + new_product * 3 / (3 + buyers) for products with few buyers. A
purchase's weight in the sums halves every so many days. A product that the user has bought gets `repeat`
times its measured repeat rate instead, or is left out where people hardly buy it again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifuse.artifacts import new_folder, write_file
from trifuse.errors import ArtifactError, InputError
from trifuse.retrieval.evidence import Evidence, Links, Nearest, Purchase, gather
from trifuse.retrieval.statistics import PurchaseStatistics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

MODEL = "recommender"
PARTS = ("collaborative", "content", "popularity", "repeat")
POPULAR = "popular"

_STATISTICS, _SETTINGS = "statistics.npz", "settings.json"
# With so many purchases (or buyers) half of the extra weight of content is gone.
_FEW = 3.0


@dataclass(frozen=True)
class Settings:
    """Weights of the parts (see the module) and their scales, chosen on the week before the test week."""

    collaborative: float = 1.0
    content: float = 0.6
    popularity: float = 0.1
    repeat: float = 16.0
    exponent: float = 0.65
    kernel_width: float = 0.2
    half_life_days: float = 365.0
    new_user: float = 1.0
    new_product: float = 1.0
    least_repeat_rate: float = 0.03
    content_neighbours: int = 100


@dataclass(frozen=True)
class Recommendation:
    """A product, its score, the score's parts, and what it is recommended for.

    `reason` is the purchased product that contributed most, or "popular" where popularity contributed more
    than the history.
    """

    product_id: str
    score: float
    parts: dict[str, float]
    reason: str


@dataclass(frozen=True)
class Recommendations:
    """Products, best first, and the purchased ones that neither transactions nor content know: skipped."""

    items: list[Recommendation]
    unknown: list[str]


@dataclass(frozen=True)
class Recommender:
    """Blends statistics of purchases with the content neighbours that a search supplies."""

    statistics: PurchaseStatistics
    settings: Settings

    def recommend(
        self,
        history: Sequence[Purchase],
        top: int,
        *,
        nearest: Nearest,
        now: datetime | str | None = None,
        exclude: Sequence[str] = (),
    ) -> Recommendations:
        """Recommend up to `top` products; an empty history gets those that sell fastest.

        `now` is by default the end of the transactions, or the last purchase if that is later; `exclude` are
        products never to name. Raises InputError for a time that is none or in the future, and for top < 1.
        """
        if top < 1:
            raise InputError("no recommendations were asked for", got=f"top={top}", expected="at least 1")
        evidence = self.gather(history, top, nearest=nearest, now=now, exclude=exclude)
        links = self._weighted_links(evidence)
        parts = self._parts(evidence, links)
        return Recommendations(
            [_explain(evidence, links, parts, column) for column in best(parts, top)], evidence.unknown
        )

    def gather(
        self,
        history: Sequence[Purchase],
        top: int,
        *,
        nearest: Nearest,
        now: datetime | str | None = None,
        exclude: Sequence[str] = (),
    ) -> Evidence:
        """Collect the candidates for a history; the popular ones alone suffice for `top`."""
        return gather(
            self.statistics,
            history,
            nearest=nearest,
            neighbours=self.settings.content_neighbours,
            popular=top,
            now=now,
            exclude=exclude,
        )

    def rank(self, evidence: Evidence, top: int) -> list[str]:
        """List the products that `recommend` would name, best first, without explaining them."""
        parts = self._parts(evidence, self._weighted_links(evidence))
        names: list[str] = evidence.candidates[best(parts, top)].tolist()
        return names

    def _parts(self, evidence: Evidence, weighted: tuple[Links, Links]) -> NDArray[np.float64]:
        """Compute the parts (4, candidates) in the order of PARTS; minus infinity leaves a candidate out."""
        settings, own = self.settings, evidence.own_row >= 0
        parts = np.zeros((len(PARTS), len(evidence.candidates)))
        for index, links in enumerate(weighted):
            parts[index] = np.bincount(links.columns, links.values, parts.shape[1])
        parts[2] = settings.popularity * self._prior(evidence)
        again = evidence.repeat_rates >= settings.least_repeat_rate
        parts[:, own] = 0.0
        parts[3, own] = np.where(again, settings.repeat * evidence.repeat_rates, -np.inf)[own]
        return parts

    def _prior(self, evidence: Evidence) -> NDArray[np.float64]:
        highest = max(float(self.statistics.rates.max()), self.statistics.new_rate)
        return np.asarray((evidence.rates / highest) ** self.settings.exponent, dtype=np.float64)

    def _weighted_links(self, evidence: Evidence) -> tuple[Links, Links]:
        """Weigh what each bought product says about each candidate: collaborative and content."""
        settings, prior = self.settings, self._prior(evidence)
        recency = 0.5 ** (evidence.ages_days / settings.half_life_days)
        weights = np.zeros(len(evidence.bought))
        np.add.at(weights, evidence.purchases, recency)
        few = 1 + settings.new_user * _FEW / (_FEW + len(evidence.purchases))
        fresh = 1 + settings.new_product * _FEW / (_FEW + evidence.buyers)
        cosines = evidence.content
        kernel = cosines._replace(values=np.exp((cosines.values - 1) / settings.kernel_width))
        of_candidates = np.where(evidence.own_row < 0, prior, 0.0)
        return (
            _scaled(evidence.collaborative, weights, of_candidates, settings.collaborative),
            _scaled(kernel, weights, of_candidates * fresh, settings.content * few),
        )

    def save(self, folder: Path) -> None:
        """Write statistics and settings into a folder, which is replaced as a whole."""
        with new_folder(folder) as work:
            self.statistics.save(work / _STATISTICS)
            write_file(work / _SETTINGS, json.dumps(asdict(self.settings), indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Recommender:
        """Read what `save` wrote. Raises ArtifactError."""
        path = folder / _SETTINGS
        try:
            settings = Settings(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ArtifactError(
                f"the recommender's settings {path} cannot be read",
                got=error,
                hint="Fit the recommender again",
            ) from error
        return cls(PurchaseStatistics.load(folder / _STATISTICS), settings)


def best(parts: NDArray[np.float64], top: int) -> NDArray[np.int64]:
    """List the candidates with the highest sums of parts (4, c), best first, without those left out."""
    scores = parts.sum(axis=0)
    order: NDArray[np.int64] = np.argsort(-scores, kind="stable")[:top]
    return np.extract(np.isfinite(scores[order]), order)


def _scaled(
    links: Links, of_bought: NDArray[np.float64], of_candidates: NDArray[np.float64], largest: float
) -> Links:
    """Weigh links by both their ends, and so that the candidate with the highest sum gets `largest`."""
    values = links.values * of_bought[links.rows] * of_candidates[links.columns]
    highest = np.bincount(links.columns, values, len(of_candidates)).max(initial=0.0)
    return links._replace(values=values * (largest / highest) if highest > 0 else np.zeros(len(values)))


def _explain(
    evidence: Evidence, weighted: tuple[Links, Links], parts: NDArray[np.float64], column: int
) -> Recommendation:
    product_id, found = str(evidence.candidates[column]), parts[:, column]
    reason = product_id if evidence.own_row[column] >= 0 else POPULAR
    if found[0] + found[1] > found[2]:
        reason = evidence.bought[_strongest(weighted, column, len(evidence.bought))]
    named = dict(zip(PARTS, found.tolist(), strict=True))
    return Recommendation(product_id, float(found.sum()), named, reason)


def _strongest(weighted: tuple[Links, Links], column: int, bought: int) -> int:
    """Find the row of the bought product that contributed most to a candidate."""
    shares = np.zeros(bought)
    for links in weighted:
        here = links.columns == column
        shares += np.bincount(links.rows[here], links.values[here], bought)
    return int(shares.argmax())
