"""What speaks for which product, given one purchase history: neighbours by purchases and by content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from trifuse.errors import InputError
from trifuse.retrieval.transactions import DAY_S, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from trifuse.retrieval.statistics import PurchaseStatistics


class Purchase(NamedTuple):
    """A product that a user bought, and when; ISO 8601 text is fine, and without an offset it is UTC."""

    product_id: str
    time: datetime | str


class Nearest(Protocol):
    """Finds products whose photo and title are like a product's."""

    def __call__(self, product_ids: Sequence[str], top: int) -> list[list[tuple[str, float]]]:
        """List up to `top` (product id, cosine) for every product, the best first; none for an unknown."""


class Links(NamedTuple):
    """Which bought product (row) speaks for which candidate (column), and how much: each (n,)."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """All that is known about the candidates for one history, before it is weighted.

    `candidates` (c,) are product ids with their `rates`, `buyers` and `repeat_rates`. `bought` (h,) are the
    purchased products; purchase i was of `bought[purchases[i]]`, `ages_days[i]` ago. `own_row` (c,) is a
    candidate's row among the bought, or -1. `unknown` are purchased products that nothing is known about.
    """

    candidates: NDArray[np.str_]
    rates: NDArray[np.float64]
    buyers: NDArray[np.int64]
    repeat_rates: NDArray[np.float64]
    bought: list[str]
    purchases: NDArray[np.int64]
    ages_days: NDArray[np.float64]
    own_row: NDArray[np.int64]
    collaborative: Links
    content: Links
    unknown: list[str]


def gather(
    statistics: PurchaseStatistics,
    history: Sequence[Purchase],
    *,
    nearest: Nearest,
    neighbours: int,
    popular: int,
    now: datetime | str | None = None,
    exclude: Sequence[str] = (),
) -> Evidence:
    """Collect candidates: neighbours of what was bought, that itself, and the fastest selling products.

    `now` is by default the end of the statistics, or the last purchase if that is later. Raises InputError
    for a time that is none, or later than `now`.
    """
    ages_days = _ages_days(statistics, history, now)
    named = list(dict.fromkeys(purchase.product_id for purchase in history))
    similar = dict(zip(named, nearest(named, neighbours), strict=True)) if named else {}
    bought = [name for name in named if similar[name] or name in statistics.positions]
    row_of = {name: row for row, name in enumerate(bought)}
    kept = [index for index, purchase in enumerate(history) if purchase.product_id in row_of]
    pool = _Pool(statistics, bought, similar)
    collaborative, content = _collaborative_links(pool, bought), _content_links(pool, bought, similar)
    own = pool.find(bought)
    fastest = statistics.by_rate[: popular + len(bought) + len(exclude)]
    chosen = np.unique(np.concatenate([collaborative.columns, content.columns, own, fastest]))
    chosen = chosen[~np.isin(chosen, pool.find(exclude))]
    return Evidence(
        **pool.describe(chosen),
        bought=bought,
        purchases=np.array([row_of[history[index].product_id] for index in kept], np.int64),
        ages_days=ages_days[kept],
        own_row=_rows(chosen, own),
        collaborative=_renumber(collaborative, chosen),
        content=_renumber(content, chosen),
        unknown=[name for name in named if name not in row_of],
    )


class _Pool:
    """Numbers products: those of the statistics by position, those that only content knows after them."""

    def __init__(
        self,
        statistics: PurchaseStatistics,
        bought: list[str],
        similar: dict[str, list[tuple[str, float]]],
    ) -> None:
        self.statistics = statistics
        names = dict.fromkeys([*bought, *(name for found in similar.values() for name, _ in found)])
        self._new = [name for name in names if name not in statistics.positions]
        first = len(statistics.product_ids)
        self._new_positions = {name: first + index for index, name in enumerate(self._new)}

    def find(self, names: Iterable[str]) -> NDArray[np.int64]:
        """Number the products that are in the pool; others are left out."""
        known, new = self.statistics.positions, self._new_positions
        found = (known.get(name, new.get(name)) for name in names)
        return np.array([number for number in found if number is not None], np.int64)

    def describe(self, chosen: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Look up ids and statistics of products in ascending order of their numbers."""
        statistics = self.statistics
        known = chosen[chosen < len(statistics.product_ids)]
        new = chosen[len(known) :] - len(statistics.product_ids)
        ids = [*statistics.product_ids[known].tolist(), *(self._new[number] for number in new)]
        columns = {
            "rates": (statistics.rates, statistics.new_rate),
            "buyers": (statistics.buyers, 0),
            "repeat_rates": (statistics.repeat_rates, 0.0),
        }
        found = {
            name: np.concatenate([values[known], np.full(len(new), missing, values.dtype)])
            for name, (values, missing) in columns.items()
        }
        return {"candidates": np.array(ids, np.str_), **found}


def _ages_days(
    statistics: PurchaseStatistics, history: Sequence[Purchase], now: datetime | str | None
) -> NDArray[np.float64]:
    times_s = np.array([parse_time(purchase.time).timestamp() for purchase in history])
    if now is None:
        now_s = max([float(statistics.until_s), *times_s.tolist()])
    else:
        now_s = parse_time(now).timestamp()
    late = np.flatnonzero(times_s > now_s)
    if len(late):
        purchase = history[late[0]]
        raise InputError(
            f"the purchase of {purchase.product_id!r} lies in the future",
            got=f"{purchase.time}",
            expected=f"a time up to {datetime.fromtimestamp(now_s, UTC).isoformat()}",
        )
    return np.asarray((now_s - times_s) / DAY_S, dtype=np.float64)


def _collaborative_links(pool: _Pool, bought: list[str]) -> Links:
    statistics = pool.statistics
    rows = np.array([row for row, name in enumerate(bought) if name in statistics.positions], np.int64)
    positions = pool.find(bought[row] for row in rows)
    columns = statistics.neighbours[positions]
    row, place = np.nonzero(columns >= 0)
    return Links(
        rows[row],
        columns[row, place].astype(np.int64),
        statistics.weights[positions][row, place].astype(np.float64),
    )


def _content_links(pool: _Pool, bought: list[str], similar: dict[str, list[tuple[str, float]]]) -> Links:
    found = [(row, *neighbour) for row, name in enumerate(bought) for neighbour in similar[name]]
    return Links(
        np.array([row for row, _, _ in found], np.int64),
        pool.find(name for _, name, _ in found),
        np.array([cosine for _, _, cosine in found], np.float64),
    )


def _rows(chosen: NDArray[np.int64], own: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find which bought product each candidate is; -1 for the others."""
    order = np.argsort(own)
    if not len(own):
        return np.full(len(chosen), -1)
    places = np.minimum(np.searchsorted(own[order], chosen), len(own) - 1)
    return np.where(own[order][places] == chosen, order[places], -1)


def _renumber(links: Links, chosen: NDArray[np.int64]) -> Links:
    """Point columns at the chosen candidates instead of the pool; others are dropped."""
    kept = np.isin(links.columns, chosen)
    return Links(links.rows[kept], np.searchsorted(chosen, links.columns[kept]), links.values[kept])
