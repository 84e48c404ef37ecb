"""How well recommendations foresee purchases: average precision and recall, and settings chosen by them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from trifuse.retrieval.evidence import Purchase
from trifuse.retrieval.transactions import DAY_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from trifuse.retrieval.evidence import Evidence, Nearest
    from trifuse.retrieval.recommender import Recommender
    from trifuse.retrieval.transactions import Transactions

TOP = 12
COLD_USER_PURCHASES = 3
COLD_PRODUCT_DAYS = 14

# Keeps the geometric mean apart from zero where a method finds nothing of a group.
_FLOOR = 0.001
# A week is a small sample: a value must be better by this share, or the choice would follow chance.
_LEAST_GAIN = 0.01


@dataclass(frozen=True)
class Case:
    """A user's purchases before the test week, and the products that the user bought in it."""

    history: list[Purchase]
    bought: frozenset[str]


@dataclass(frozen=True)
class Group:
    """Some of the cases by position, what of each is to be found, and the weight of that in the objective."""

    name: str
    weight: float
    cases: list[int]
    wanted: list[frozenset[str]]


def cases(before: Transactions, test: Transactions) -> list[Case]:
    """List the users who bought something in the test week, with their histories (none for new users)."""
    histories: dict[str, list[Purchase]] = {}
    for time_s, user, product in zip(before.times_s.tolist(), before.users, before.products, strict=True):
        purchase = Purchase(str(product), datetime.fromtimestamp(time_s, UTC))
        histories.setdefault(str(user), []).append(purchase)
    bought: dict[str, set[str]] = {}
    for user, product in zip(test.users, test.products, strict=True):
        bought.setdefault(str(user), set()).add(str(product))
    return [Case(histories.get(user, []), frozenset(products)) for user, products in bought.items()]


def groups(found: Sequence[Case], before: Transactions) -> list[Group]:
    """Form the groups that are reported: all users, cold users, and cold products.

    Cold users bought less than 3 times before the test week; those of them who never bought are a group of
    their own too. A product is cold that was first sold in the 14 days before the test week or in it: of such
    products, what a user bought of them is to be found, among recommendations of all products.
    """
    counts = np.array([len(case.history) for case in found])
    first_sold_s = dict(zip(before.products[::-1].tolist(), before.times_s[::-1].tolist(), strict=True))
    warm_until_s = before.end_s - COLD_PRODUCT_DAYS * DAY_S
    warm = {product for product, time_s in first_sold_s.items() if time_s < warm_until_s}
    everything = [case.bought for case in found]
    return [
        _group("all users", 0.5, everything, np.ones(len(found), np.bool_)),
        _group("cold users: 0 to 2 purchases", 0.25, everything, counts < COLD_USER_PURCHASES),
        _group("of them: 1 or 2 purchases", 0.0, everything, (counts > 0) & (counts < COLD_USER_PURCHASES)),
        _group(
            "cold products", 0.25, [bought - warm for bought in everything], np.ones(len(found), np.bool_)
        ),
    ]


def _group(name: str, weight: float, wanted: list[frozenset[str]], members: NDArray[np.bool_]) -> Group:
    chosen = [index for index in np.flatnonzero(members).tolist() if wanted[index]]
    return Group(name, weight, chosen, [wanted[index] for index in chosen])


def average_precisions(ranked: Sequence[Sequence[str]], group: Group) -> NDArray[np.float64]:
    """Compute AP@12 of a group's cases: precision at every hit, over the hits that 12 places can hold."""
    values = []
    for case, wanted in zip(group.cases, group.wanted, strict=True):
        hits = [product in wanted for product in ranked[case][:TOP]]
        precisions = (count / place for place, count in enumerate(itertools.accumulate(hits), 1))
        values.append(sum(itertools.compress(precisions, hits)) / min(len(wanted), TOP))
    return np.array(values)


def recalls(ranked: Sequence[Sequence[str]], group: Group) -> NDArray[np.float64]:
    """Compute recall@12 of a group's cases: the share of the wanted products among 12."""
    return np.array(
        [
            len(wanted.intersection(ranked[case][:TOP])) / len(wanted)
            for case, wanted in zip(group.cases, group.wanted, strict=True)
        ]
    )


def gather_all(recommender: Recommender, found: Sequence[Case], nearest: Nearest) -> list[Evidence]:
    """Collect the evidence of every case once, for any number of settings."""
    return [recommender.gather(case.history, TOP, nearest=nearest) for case in found]


def rank_all(recommender: Recommender, evidence: Sequence[Evidence]) -> list[list[str]]:
    """Rank every case's candidates."""
    return [recommender.rank(each, TOP) for each in evidence]


def objective(ranked: Sequence[Sequence[str]], measured: Sequence[Group]) -> float:
    """Sum up MAP@12 of the groups: their weighted geometric mean, for they differ in scale."""
    counted = [group for group in measured if group.cases]
    means = np.array([average_precisions(ranked, group).mean() for group in counted])
    weights = [group.weight for group in counted]
    return float(np.exp(np.average(np.log(means + _FLOOR), weights=weights)))


def choose_settings(
    recommender: Recommender,
    evidence: Sequence[Evidence],
    measured: Sequence[Group],
    grid: Mapping[str, Sequence[float]],
    report: Callable[[str], None],
) -> Recommender:
    """Improve one setting after the other by the objective, where a value of the grid is clearly better.

    The cases are to be those of a week before the test week. `report` gets a line for every setting.
    """
    chosen, reached = recommender, objective(rank_all(recommender, evidence), measured)
    for name, values in grid.items():
        for value in values:
            tried = replace(chosen, settings=replace(chosen.settings, **{name: value}))  # type: ignore[arg-type]  # names of floats
            found = objective(rank_all(tried, evidence), measured)
            if found > reached * (1 + _LEAST_GAIN):
                chosen, reached = tried, found
        report(f"{name} = {getattr(chosen.settings, name)}: {reached:.4f}")
    return chosen
