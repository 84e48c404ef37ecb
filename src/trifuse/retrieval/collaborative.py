"""Fits what purchases say about products: who buys this also buys that, and what sells now.

The model was chosen on the dev week, the week before the last, of the generated shops of seeds 0 and 1, by
MAP@12 of neighbours by purchases and repeats alone (all users; 0 to 2 purchases; cold products):

    item-item BM25, B = 1      0.057 0.057   0.035 0.018   0.092 0.024
    item-item BM25, B = 0.75   0.059 0.057   0.036 0.020   0.071 0.011
    item-item TF-IDF           0.055 0.056   0.034 0.018   0.053 0.008
    ALS, 128 factors           0.052 0.054   0.034 0.016   0.142 0.070

A week does not tell the BM25 models apart; full length normalisation does more for products with few buyers.
ALS (cosines of the item factors) does most for these, and less for everything else.
"""

from __future__ import annotations

import itertools
import warnings
from typing import TYPE_CHECKING

import numpy as np
from implicit.nearest_neighbours import BM25Recommender
from implicit.utils import ParameterWarning
from scipy.sparse import csr_matrix

from trifuse.retrieval.statistics import PurchaseStatistics
from trifuse.retrieval.transactions import DAY_S

if TYPE_CHECKING:
    from implicit.nearest_neighbours import ItemItemRecommender
    from numpy.typing import NDArray

    from trifuse.retrieval.transactions import Transactions

NEIGHBOURS = 200

# A product's rate is worth what was seen of it: so many days at the usual rate of new products are added.
_RATE_PRIOR_DAYS = 3.0
_RATE_HALF_LIFE_DAYS = 14.0
# New products sell faster than the average one.
_NEW_PRODUCT_FACTOR = 2.0
_REPEAT_PRIOR_BUYERS = 20.0


def fit(transactions: Transactions, model: ItemItemRecommender | None = None) -> PurchaseStatistics:
    """Compute the statistics of all products that were sold; `model` finds the neighbours (default: BM25)."""
    product_ids, products = np.unique(transactions.products, return_inverse=True)
    users = np.unique(transactions.users, return_inverse=True)[1]
    purchases = csr_matrix((np.ones(len(users), np.float32), (users, products)))
    neighbours, weights = _neighbours(
        purchases, model or BM25Recommender(K=NEIGHBOURS + 1, B=1.0, num_threads=1)
    )
    rates, new_rate = _rates(transactions, products)
    return PurchaseStatistics(
        product_ids=product_ids,
        neighbours=neighbours,
        weights=weights,
        rates=rates,
        new_rate=new_rate,
        buyers=np.bincount(purchases.indices).astype(np.int32),
        repeat_rates=_repeat_rates(transactions, users, products),
        until_s=transactions.end_s,
    )


def _neighbours(
    purchases: csr_matrix, model: ItemItemRecommender
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    with warnings.catch_warnings():
        # The library's own weighting hands its own search a matrix of the other kind.
        warnings.simplefilter("ignore", ParameterWarning)
        model.fit(purchases, show_progress=False)
    return strongest(model.similarity.tocsr())


def strongest(similarity: csr_matrix, first: int = 0) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Keep the strongest neighbours of each row: (neighbours, weights), each (rows, 200).

    The rows are those of the products from the position `first` on; none is a neighbour of itself.
    """
    similarity.sort_indices()
    neighbours = np.full((similarity.shape[0], NEIGHBOURS), -1, np.int32)
    weights = np.zeros(neighbours.shape, np.float32)
    for row, (start, end) in enumerate(itertools.pairwise(similarity.indptr)):
        columns, values = similarity.indices[start:end], similarity.data[start:end]
        others = (columns != first + row) & (values != 0)
        columns, values = columns[others], values[others]
        order = np.argsort(-values, kind="stable")[:NEIGHBOURS]
        neighbours[row, : len(order)], weights[row, : len(order)] = columns[order], values[order]
    return neighbours, weights


def _rates(transactions: Transactions, products: NDArray[np.int64]) -> tuple[NDArray[np.float32], float]:
    """Estimate purchases a day while on sale, recent days weighing more: (products,), and a new product's.

    A product is on sale since it was first sold. Counting days makes a product of three days comparable with
    one of half a year; the days added keep a single purchase from looking like a bestseller.
    """
    age_days = (transactions.end_s - transactions.times_s) / DAY_S
    sales = np.bincount(products, _halved(age_days, _RATE_HALF_LIFE_DAYS))
    on_sale_days = np.zeros(len(sales))
    np.maximum.at(on_sale_days, products, age_days)
    exposure_days = _RATE_HALF_LIFE_DAYS / np.log(2) * (1 - _halved(on_sale_days, _RATE_HALF_LIFE_DAYS))
    new_rate = _NEW_PRODUCT_FACTOR * sales.sum() / exposure_days.sum()
    rates = (sales + _RATE_PRIOR_DAYS * new_rate) / (exposure_days + _RATE_PRIOR_DAYS)
    return rates.astype(np.float32), float(new_rate)


def _halved(age_days: NDArray[np.float64], half_life_days: float) -> NDArray[np.float64]:
    return np.asarray(0.5 ** (age_days / half_life_days), dtype=np.float64)


def _repeat_rates(
    transactions: Transactions, users: NDArray[np.int64], products: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Share of a product's buyers who bought it on a second day, pulled towards the shop's share."""
    days = np.unique(np.stack([products, users, transactions.times_s // DAY_S], axis=1), axis=0)
    pairs, days_of_pair = np.unique(days[:, :2], axis=0, return_counts=True)
    buyers = np.bincount(pairs[:, 0])
    again = np.bincount(pairs[:, 0], days_of_pair > 1)
    shop_share = again.sum() / buyers.sum()
    rates: NDArray[np.float32] = (
        (again + _REPEAT_PRIOR_BUYERS * shop_share) / (buyers + _REPEAT_PRIOR_BUYERS)
    ).astype(np.float32)
    return rates
