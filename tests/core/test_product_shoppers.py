"""Generated purchases: the same for a seed, and with what makes recommending hard and possible."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from trifuse.catalog import Item
from trifuse.errors import ConfigurationError
from trifuse.retrieval.transactions import read_transactions
from trifuse.systems.product.catalogue import products
from trifuse.systems.product.generator import generate
from trifuse.systems.product.shoppers import FILE_NAME, START, WEEKS, simulate

USERS = 700


def catalogue(count, seed=0):
    return [
        Item(
            f"p{product.index:05d}-1",
            Path("photo.jpg"),
            product.split,
            attributes={
                "product_id": f"p{product.index:05d}",
                "category": product.look.category,
                "colour": product.look.colour,
                "pattern": product.look.pattern,
                "style": product.look.style,
            },
        )
        for product in islice(products(seed), count)
    ]


@pytest.fixture(scope="module")
def items():
    return {item.attributes["product_id"]: item for item in catalogue(500)}


@pytest.fixture(scope="module")
def rows(items):
    return simulate(list(items.values()), users=USERS, seed=5)


def week(time):
    return (time - START).days // 7


def test_a_seed_gives_the_same_purchases_and_another_seed_others(items, rows):
    chosen = list(items.values())
    assert simulate(chosen, users=USERS, seed=5) == rows
    assert simulate(chosen, users=USERS, seed=6) != rows


def test_a_second_photo_of_a_product_changes_nothing(items, rows):
    assert simulate([item for item in items.values() for _ in range(2)], users=USERS, seed=5) == rows


def test_purchases_are_sorted_and_fill_the_weeks(items, rows):
    assert rows == sorted(rows)
    assert {week(time) for time, _, _ in rows} == set(range(WEEKS))
    assert {product for _, _, product in rows} <= items.keys()


def test_shorts_sell_in_summer_and_jackets_at_the_end_of_winter(items, rows):
    sold = defaultdict(Counter)
    for time, _, product in rows:
        sold[items[product].attributes["category"]][week(time) // 13] += 1
    shares = {name: halves[1] / halves.total() for name, halves in sold.items()}
    assert shares["shorts"] > shares["dress"] > shares["jacket"]


def test_users_prefer_a_style_but_not_only_one(items, rows):
    styles = defaultdict(Counter)
    for _, user, product in rows:
        styles[user][items[product].attributes["style"]] += 1
    active = [counts for counts in styles.values() if counts.total() >= 10]
    favourite = np.mean([max(counts.values()) / counts.total() for counts in active])
    everyone = sum(active, Counter())
    assert favourite > 1.3 * max(everyone.values()) / everyone.total()
    assert np.mean([len(counts) > 1 for counts in active]) > 0.9


def test_some_products_are_bought_by_the_same_people_though_nothing_shows_why(rows):
    buyers = defaultdict(set)
    for _, user, product in rows:
        buyers[product].add(user)
    often = [users for users in buyers.values() if len(users) >= 15]
    shared = [
        len(one & other) / min(len(one), len(other)) for one in often for other in often if one is not other
    ]
    assert np.quantile(shared, 0.98) > 4 * np.median(shared)


def test_basics_are_bought_again_and_other_products_hardly_ever(items, rows):
    pairs = Counter((user, product) for _, user, product in rows)
    again = defaultdict(list)
    for (_, product), count in pairs.items():
        shown = items[product].attributes
        basic = shown["category"] in {"t-shirt", "shirt", "long-sleeve top"} and (
            shown["colour"] in {"white", "black", "grey"}
            and (shown["pattern"], shown["style"]) == ("solid", "simple")
        )
        again[basic].append(count > 1)
    assert np.mean(again[True]) > 0.1
    assert np.mean(again[True]) > 3 * np.mean(again[False])


def test_there_are_cold_products_and_cold_users_in_the_last_week(rows):
    last = [row for row in rows if week(row[0]) == WEEKS - 1]
    first_week, bought = {}, Counter()
    for time, user, product in rows:
        first_week.setdefault(product, week(time))
        bought[user] += week(time) < WEEKS - 1
    assert sum(first_week[product] >= WEEKS - 3 for _, _, product in last) > 0.03 * len(last)
    counts = [bought[user] for user in {user for _, user, _ in last}]
    assert {0, 1, 2} <= set(counts)
    assert np.median(counts) > 3


def test_impossible_shoppers_are_refused(items):
    with pytest.raises(ConfigurationError, match="got 0 users"):
        simulate(list(items.values()), users=0, seed=0)


def test_the_generator_writes_the_purchases_beside_the_manifest(tmp_path):
    manifest = generate(tmp_path, items=10, seed=2, workers=1)
    path = tmp_path / FILE_NAME
    before = path.read_bytes()
    ids = {line.split('"product_id": "')[1][:6] for line in manifest.read_text().splitlines()}
    found = read_transactions(path)
    assert set(found.products.tolist()) <= ids
    assert (np.diff(found.times_s) >= 0).all()
    path.unlink()
    generate(tmp_path, items=10, seed=2, workers=1)
    assert path.read_bytes() == before


def test_a_shop_of_one_product_sells_it():
    assert {product for _, _, product in simulate(catalogue(1), users=20, seed=0)} <= {"p00000"}
