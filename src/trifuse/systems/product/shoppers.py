"""Generates purchase histories for a catalogue: who bought what when, over half a year.

What a shopper buys is drawn, and depends on: the season; how popular a product is, which drifts; whether it
is new; what the shopper likes of what photo and title show (style, category, colour, pattern); and the labels
that the shopper follows. A label is who made a product: neither photo nor title shows it, so only other
people's purchases do. Basics are bought again, other products hardly ever. Every shopper sees all products:
there are no recommendations in this shop that would steer what is bought.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from trifuse.artifacts import write_file
from trifuse.catalog import read_catalog
from trifuse.errors import ConfigurationError
from trifuse.retrieval import transactions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.catalog import Item

FILE_NAME = "transactions.csv"
HEADER = ",".join(transactions.HEADER)

# From the end of winter to the end of summer; UTC.
START = datetime(2025, 3, 3)
WEEKS = 26
_DAYS = 7 * WEEKS
_OPENS_S, _CLOSES_S = 7 * 3600, 23 * 3600

# How much warm weather raises (or lowers) the logarithm of a category's sales.
_WARMTH = {
    "shorts": 1.5,
    "t-shirt": 0.6,
    "dress": 0.5,
    "skirt": 0.4,
    "shirt": 0.0,
    "shoes": 0.0,
    "hat": -0.2,
    "pants": -0.5,
    "long-sleeve top": -0.9,
    "jacket": -1.5,
}
_WARMEST_DAY_OF_YEAR = 200

# Popularity by rank, (rank + offset) ** -exponent: Mandelbrot's form of Zipf's law.
_RANK_OFFSET, _RANK_EXPONENT = 20.0, 0.7
_DRIFT_SIZE, _DRIFT_MEMORY = 0.4, 0.8
_LAUNCHED_SHARE = 0.4
_NOVELTY, _NOVELTY_DAYS = 1.5, 14.0

# Spread of the logarithm of a shopper's liking for each value of an attribute.
_TASTE = {"style": 2.2, "category": 1.4, "colour": 1.0, "pattern": 0.3}
_PRODUCTS_PER_LABEL = 33
_FOLLOWED_LABELS, _FOLLOWED = 2, 20.0

_ORDERS_PER_WEEK, _ORDERS_SHAPE = 0.45, 0.9
_FURTHER_PRODUCTS = 0.6
# The others were customers before. The shop grows: more join in every week than in the one before.
_JOIN_SHARE = 0.55
_FOLLOW_UP_SHARE, _FOLLOW_UP_DAYS = 0.7, 10.0
_BASIC = {
    "category": {"t-shirt", "shirt", "long-sleeve top"},
    "colour": {"white", "black", "grey"},
    "pattern": {"solid"},
    "style": {"simple"},
}
_AGAIN_BASIC, _AGAIN = 8.0, 0.02


@dataclass(frozen=True)
class _Shop:
    """What is sold: ids, numbered attribute values, labels, basics, each day's appeal (days, products)."""

    ids: list[str]
    values: Mapping[str, NDArray[np.int64]]
    labels: NDArray[np.int64]
    basics: NDArray[np.bool_]
    appeal: NDArray[np.float64]


def write_transactions(manifest: Path, *, users: int, seed: int) -> Path:
    """Write `transactions.csv` (time,user_id,product_id; sorted by time, UTC) beside a catalogue's manifest.

    Equal catalogues and seeds give equal files. Raises ArtifactError and ConfigurationError.
    """
    path = manifest.parent / FILE_NAME
    rows = simulate(read_catalog(manifest), users=users, seed=seed)
    lines = (f"{time.isoformat()},{user},{product}" for time, user, product in rows)
    write_file(path, "\n".join([HEADER, *lines]) + "\n")
    return path


def simulate(items: Sequence[Item], *, users: int, seed: int) -> list[tuple[datetime, str, str]]:
    """Draw (time, user id, product id) sorted by time; products of one order share user and time.

    `items` need the attributes product_id, category, colour, pattern and style; items of one product count
    once. Raises ConfigurationError.
    """
    if users < 1 or seed < 0:
        raise ConfigurationError(
            "such shoppers cannot be simulated",
            got=f"{users} users, seed {seed}",
            expected="users >= 1 and seed >= 0",
        )
    shop = _open(items, np.random.default_rng([seed, 0]))
    rows = [
        row
        for user in range(users)
        for row in _purchases(shop, f"u{user:05d}", np.random.default_rng([seed, 1, user]))
    ]
    return sorted(rows)


def _open(items: Sequence[Item], rng: np.random.Generator) -> _Shop:
    products = list({item.attributes["product_id"]: item for item in items}.values())
    values = {name: np.array([item.attributes[name] for item in products]) for name in _TASTE}
    basics = np.all([np.isin(values[name], list(wanted)) for name, wanted in _BASIC.items()], axis=0)
    popularity = _popularity(len(products), rng)
    launches = np.where(
        rng.random(len(products)) < _LAUNCHED_SHARE, rng.integers(_DAYS, size=len(products)), -_DAYS
    )
    labels = rng.integers(max(len(products) // _PRODUCTS_PER_LABEL, 1), size=len(products))
    return _Shop(
        ids=[item.attributes["product_id"] for item in products],
        values={name: np.unique(column, return_inverse=True)[1] for name, column in values.items()},
        labels=labels,
        basics=basics,
        appeal=popularity * _season(values["category"]) * _novelty(launches),
    )


def _popularity(products: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Zipf-like popularity that drifts from week to week, for every day: (days, products)."""
    zipf = (1.0 + rng.permutation(products) + _RANK_OFFSET) ** -_RANK_EXPONENT
    drift = np.empty((WEEKS, products))
    drift[0] = rng.normal(0.0, _DRIFT_SIZE, products)
    for week in range(1, WEEKS):
        news = rng.normal(0.0, _DRIFT_SIZE * np.sqrt(1 - _DRIFT_MEMORY**2), products)
        drift[week] = _DRIFT_MEMORY * drift[week - 1] + news
    return np.repeat(zipf * np.exp(drift), 7, axis=0)


def _season(categories: NDArray[np.str_]) -> NDArray[np.float64]:
    day_of_year = START.timetuple().tm_yday + np.arange(_DAYS)
    warmth = np.cos(2 * np.pi * (day_of_year - _WARMEST_DAY_OF_YEAR) / 365.25)
    gains = np.array([_WARMTH.get(category, 0.0) for category in categories])
    return np.asarray(np.exp(warmth[:, None] * gains), dtype=np.float64)


def _novelty(launches: NDArray[np.int64]) -> NDArray[np.float64]:
    """Nothing before the launch, a boost that fades after it: (days, products)."""
    age = np.arange(_DAYS)[:, None] - launches
    return np.where(age < 0, 0.0, 1.0 + _NOVELTY * np.exp(-np.maximum(age, 0) / _NOVELTY_DAYS))


def _purchases(shop: _Shop, user: str, rng: np.random.Generator) -> list[tuple[datetime, str, str]]:
    interest = _interest(shop, rng)
    bought = np.zeros(len(shop.ids), np.bool_)
    rows = []
    for day, second in _order_times(rng):
        chosen = _draw(interest * shop.appeal[day], 1 + int(rng.poisson(_FURTHER_PRODUCTS)), rng)
        new = chosen[~bought[chosen]]
        interest[new] *= np.where(shop.basics[new], _AGAIN_BASIC, _AGAIN)
        bought[new] = True
        time = START + timedelta(days=day, seconds=second)
        rows += [(time, user, shop.ids[product]) for product in chosen]
    return rows


def _draw(weights: NDArray[np.float64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw different products one after the other with these weights: the first arrivals of a race.

    Source: Efraimidis and Spirakis, weighted random sampling (https://doi.org/10.1016/j.ipl.2005.11.003).
    """
    sold = np.flatnonzero(weights)
    arrivals = rng.exponential(size=len(sold)) / weights[sold]
    return sold[np.argsort(arrivals)[:size]]


def _interest(shop: _Shop, rng: np.random.Generator) -> NDArray[np.float64]:
    """How much a shopper likes every product, apart from its appeal to all."""
    interest = np.ones(len(shop.ids))
    for name, spread in _TASTE.items():
        values = shop.values[name]
        interest *= np.exp(spread * rng.normal(size=values.max() + 1))[values]
    gains = np.ones(shop.labels.max() + 1)
    gains[rng.integers(len(gains), size=_FOLLOWED_LABELS)] = _FOLLOWED
    return interest * gains[shop.labels]


def _order_times(rng: np.random.Generator) -> list[tuple[int, int]]:
    """Days and seconds of the day at which a shopper orders, in order; whoever joins does so by an order."""
    rate = rng.gamma(_ORDERS_SHAPE, _ORDERS_PER_WEEK / _ORDERS_SHAPE)
    joined, days = 0, list[int]()
    if rng.random() < _JOIN_SHARE:
        joined = int(_DAYS * np.sqrt(rng.random()))
        days = [joined]
        if rng.random() < _FOLLOW_UP_SHARE:
            days.append(joined + int(rng.exponential(_FOLLOW_UP_DAYS)))
    days += rng.integers(joined, _DAYS, rng.poisson(rate * (_DAYS - joined) / 7)).tolist()
    return sorted((day, int(rng.integers(_OPENS_S, _CLOSES_S))) for day in days if day < _DAYS)
