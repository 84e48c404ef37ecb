"""Recommendations for a history: small shops worked out by hand, and a generated one from end to end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.core.test_product_shoppers import catalogue
from trifuse.errors import ArtifactError, InputError
from trifuse.retrieval.collaborative import fit
from trifuse.retrieval.evidence import Purchase
from trifuse.retrieval.exact_neighbours import ExactNeighbours
from trifuse.retrieval.lending import LENT, lend
from trifuse.retrieval.recommendation_quality import (
    average_precisions,
    cases,
    choose_settings,
    gather_all,
    groups,
    rank_all,
    recalls,
)
from trifuse.retrieval.recommender import POPULAR, Recommender, Settings
from trifuse.retrieval.transactions import Transactions, read_transactions, split_by_time
from trifuse.systems.product.shoppers import HEADER, simulate

START = datetime(2025, 3, 1, 12, tzinfo=UTC)
DAYS = 60


def shop():
    """Two circles of buyers, {a, b, c} and {x, y, z}; `a` is bought again, `hit` by all at the end."""
    rows = []
    for user in range(40):
        circle = "abc" if user % 2 else "xyz"
        rows += [(user + day, f"u{user}", product) for day, product in enumerate(circle)]
        if user % 2:
            rows.append((user + 18, f"u{user}", "a"))
        rows.append((DAYS - 1 - user % 3, f"u{user}", "hit"))
    times = [int((START + timedelta(days=day)).timestamp()) for day, _, _ in sorted(rows)]
    users, names = zip(*((user, name) for _, user, name in sorted(rows)), strict=True)
    return Transactions(np.array(times), np.array(users), np.array(names))


def alike(product_ids, top):
    """`new` looks like x, and nothing else looks like anything."""
    found = {"x": [("new", 0.9)], "new": [("x", 0.9)]}
    return [found.get(name, [])[:top] for name in product_ids]


@pytest.fixture(scope="module")
def recommender():
    return Recommender(fit(shop()), Settings(repeat=1.0, least_repeat_rate=0.2))


def bought(*names, day=DAYS - 5):
    return [Purchase(name, START + timedelta(days=day)) for name in names]


def recommended(recommender, history, top=12, **options):
    return recommender.recommend(history, top, nearest=alike, **options)


def test_without_a_history_what_sells_fastest_comes_first(recommender):
    found = recommended(recommender, [], top=3)
    assert found.items[0].product_id == "hit"
    assert {item.reason for item in found.items} == {POPULAR}
    assert [item.score for item in found.items] == sorted((item.score for item in found.items), reverse=True)
    assert len(found.items) == 3


def test_what_the_same_people_buy_is_recommended_because_of_the_purchase(recommender):
    items = {item.product_id: item for item in recommended(recommender, bought("b")).items}
    assert items["c"].reason == "b"
    assert items["c"].parts["collaborative"] > items["y"].parts["collaborative"]
    assert items["c"].score == pytest.approx(sum(items["c"].parts.values()))


def test_the_reason_is_the_purchase_that_contributed_most(recommender):
    items = {item.product_id: item for item in recommended(recommender, bought("b", "y")).items}
    assert (items["c"].reason, items["z"].reason) == ("b", "y")


def test_a_product_that_nobody_bought_is_reached_through_content(recommender):
    items = {item.product_id: item for item in recommended(recommender, bought("x")).items}
    assert items["new"].reason == "x"
    assert items["new"].parts["content"] > 0 == items["new"].parts["collaborative"]


def test_a_purchase_that_only_content_knows_counts(recommender):
    found = recommended(recommender, bought("new"))
    assert found.unknown == []
    assert {item.product_id: item.reason for item in found.items}["x"] == "new"


def test_only_products_that_people_buy_again_are_recommended_again(recommender):
    items = {item.product_id: item for item in recommended(recommender, bought("a", "b", "x")).items}
    assert items["a"].parts["repeat"] > 0.5
    assert items["a"].reason == "a"
    assert not {"b", "x"} & items.keys()


def test_recent_purchases_weigh_more():
    fading = Recommender(fit(shop()), Settings(half_life_days=5.0))
    for first, second, expected in (("b", "y", "z"), ("y", "b", "c")):
        history = bought(first, day=DAYS - 40) + bought(second)
        names = [item.product_id for item in recommended(fading, history).items]
        other = {"z": "c", "c": "z"}[expected]
        assert names.index(expected) < names.index(other)


def content_parts(history, nearest=alike, **settings):
    found = Recommender(fit(shop()), Settings(**settings)).recommend(history, 12, nearest=nearest)
    return {item.product_id: item.parts["content"] for item in found.items}


def test_content_weighs_more_for_users_with_few_purchases():
    few, many = bought("x"), bought("x", "y", "z")
    assert content_parts(few, new_user=2.0)["new"] > content_parts(many, new_user=2.0)["new"]
    assert content_parts(few, new_user=0.0)["new"] == content_parts(many, new_user=0.0)["new"]


def test_content_weighs_more_for_products_with_few_buyers():
    def equally_alike(product_ids, top):
        return [[("new", 0.9), ("hit", 0.9)][:top] for _ in product_ids]

    shares = []
    for weight in (0.0, 2.0):
        parts = content_parts(bought("x"), equally_alike, new_product=weight)
        shares.append(parts["new"] / parts["hit"])
    assert shares[1] > 1.5 * shares[0]


def test_unknown_products_are_skipped_and_reported(recommender):
    found = recommended(recommender, bought("nonsense", "b", "rubbish", "nonsense"))
    assert found.unknown == ["nonsense", "rubbish"]
    assert found.items == recommended(recommender, bought("b")).items


def test_few_candidates_are_filled_up_with_popular_products(recommender):
    assert len(recommended(recommender, bought("b")).items) == len(set("acxyz") | {"hit"})


def test_excluded_products_are_never_named(recommender):
    for history in ([], bought("b")):
        names = [
            item.product_id for item in recommended(recommender, history, exclude=["hit", "c", "?"]).items
        ]
        assert names
        assert not {"hit", "c"} & set(names)


@pytest.mark.parametrize(
    ("history", "options", "message"),
    [
        ([Purchase("b", "soon")], {}, "is not a time: got 'soon'"),
        ([Purchase("b", None)], {}, "is not a time"),
        (bought("b"), {"now": START}, "purchase of 'b' lies in the future"),
        (bought("b"), {"top": 0}, "got top=0"),
    ],
)
def test_broken_requests_are_input_errors(recommender, history, options, message):
    with pytest.raises(InputError, match=message):
        recommended(recommender, history, **options)


def test_times_may_be_text_and_lie_after_the_statistics(recommender):
    later = [Purchase("b", "2026-01-01T08:00:00")]
    assert recommended(recommender, later).items[0].reason == "b"


def test_a_saved_recommender_recommends_the_same(recommender, tmp_path):
    recommender.save(tmp_path / "recommender")
    loaded = Recommender.load(tmp_path / "recommender")
    assert loaded.settings == recommender.settings
    for history in ([], bought("a", "y"), bought("new")):
        assert recommended(loaded, history) == recommended(recommender, history)


def test_what_cannot_be_loaded_is_named(recommender, tmp_path):
    with pytest.raises(ArtifactError, match=r"settings\.json cannot be read"):
        Recommender.load(tmp_path)
    recommender.save(tmp_path / "r")
    (tmp_path / "r" / "statistics.npz").write_bytes(b"half a file")
    with pytest.raises(ArtifactError, match=r"statistics\.npz cannot be read"):
        Recommender.load(tmp_path / "r")
    (tmp_path / "r" / "settings.json").write_text(json.dumps({"contents": 1}))
    with pytest.raises(ArtifactError, match="contents"):
        Recommender.load(tmp_path / "r")


def test_metrics_of_a_ranking():
    test = Transactions(np.zeros(3, np.int64), np.array(["u", "u", "v"]), np.array(["p", "q", "p"]))
    before = Transactions(np.zeros(1, np.int64), np.array(["u"]), np.array(["p"]))
    found = cases(before, test)
    everyone, *_ = measured = groups(found, before)
    ranked = [["r", "p", "q"], ["r"]]
    assert average_precisions(ranked, everyone).tolist() == pytest.approx([(1 / 2 + 2 / 3) / 2, 0])
    assert recalls(ranked, everyone).tolist() == [1, 0]
    assert [len(group.cases) for group in measured] == [2, 2, 1, 2]


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """Purchases of a small generated shop, and neighbours by roughly what a product looks like."""
    folder, items, rng = tmp_path_factory.mktemp("shop"), catalogue(300), np.random.default_rng(0)
    rows = [f"{time.isoformat()},{user},{name}" for time, user, name in simulate(items, users=700, seed=1)]
    (folder / "transactions.csv").write_text("\n".join([HEADER, *rows]))
    vectors = rng.normal(size=(len(items), 64)) * 1.2
    for name in ("category", "colour", "style"):
        kind = np.unique([item.attributes[name] for item in items], return_inverse=True)[1]
        vectors += rng.normal(size=(kind.max() + 1, 64))[kind]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.array([item.attributes["product_id"] for item in items])
    return folder, ExactNeighbours(ids.tolist(), vectors.astype(np.float32), 100)


def test_in_a_generated_shop_the_blend_beats_popularity(generated):
    folder, nearest = generated
    before, test = split_by_time(read_transactions(folder / "transactions.csv"))
    found, statistics = cases(before, test), fit(before)
    everyone = groups(found, before)[0]
    means = []
    for settings in (Settings(), Settings(collaborative=0.0, content=0.0)):
        recommender = Recommender(statistics, settings)
        means.append(
            average_precisions(rank_all(recommender, gather_all(recommender, found, nearest)), everyone)
        )
    assert means[0].mean() > means[1].mean()


def test_settings_are_chosen_by_what_foresees_the_week(generated):
    folder, nearest = generated
    before, test = split_by_time(read_transactions(folder / "transactions.csv"))
    found, lines = cases(before, test), []
    recommender = Recommender(fit(before), Settings(exponent=0.0, content=0.0, collaborative=0.0))
    evidence, measured = gather_all(recommender, found, nearest), groups(found, before)
    grid = {"exponent": (0.0, 0.65), "collaborative": (0.0, 1.0)}
    chosen = choose_settings(recommender, evidence, measured, grid, lines.append)
    assert (chosen.settings.exponent, chosen.settings.collaborative) == (0.65, 1.0)
    assert len(lines) == 2


def weight(statistics, product, neighbour):
    positions = statistics.positions
    row = statistics.neighbours[positions[product]].tolist()
    found = positions[neighbour]
    return statistics.weights[positions[product], row.index(found)] if found in row else 0.0


@pytest.fixture(scope="module")
def with_newcomer():
    """The shop with `rare`, which one visitor bought and nothing else."""
    rows = shop()
    time = np.append(rows.times_s, rows.times_s[-1])
    return fit(Transactions(time, np.append(rows.users, "visitor"), np.append(rows.products, "rare")))


def like_a(product_ids, top):
    found = {"rare": [("a", 0.95), ("never sold", 0.9), ("x", 0.5)]}
    return [found.get(name, [])[:top] for name in product_ids]


def test_what_few_bought_borrows_the_neighbours_of_what_looks_like_it(with_newcomer):
    lent = lend(with_newcomer, like_a)
    assert weight(with_newcomer, "b", "rare") == weight(with_newcomer, "y", "rare") == 0
    assert 0 < weight(lent, "b", "rare") < LENT * weight(lent, "b", "a")
    assert weight(lent, "b", "rare") > 10 * weight(lent, "y", "rare") > 0


def test_lending_leaves_other_neighbours_and_no_product_next_to_itself(with_newcomer):
    lent = lend(with_newcomer, like_a)
    for product in ("a", "b", "c", "x", "y", "z", "hit"):
        for neighbour in ("a", "b", "c", "x", "y", "z", "hit"):
            assert weight(lent, product, neighbour) == weight(with_newcomer, product, neighbour)
        assert weight(lent, product, product) == 0


def test_the_more_buyers_a_product_has_the_less_it_borrows(with_newcomer):
    def all_like_a(product_ids, top):
        return [[("a", 0.9)] if name in ("rare", "hit") else [] for name in product_ids]

    lent = lend(with_newcomer, all_like_a)
    gained = weight(lent, "c", "hit") - weight(with_newcomer, "c", "hit")
    assert 0 < gained < weight(lent, "c", "rare") / 4


def test_without_look_alikes_nothing_is_lent(with_newcomer):
    lent = lend(with_newcomer, lambda product_ids, _: [[] for _ in product_ids])
    np.testing.assert_array_equal(lent.weights, with_newcomer.weights)
    np.testing.assert_array_equal(lent.neighbours, with_newcomer.neighbours)
