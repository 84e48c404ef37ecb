"""Retrieval quality and its reference points, on catalogues small enough to work out by hand."""

from pathlib import Path

import numpy as np
import pytest

from trifuse.catalog import Item
from trifuse.systems.product.quality import (
    distinct_titles,
    language_report,
    reference_points,
    relevance,
    retrieval_quality,
)


def item(name, title_zh, title_en, **attributes):
    return Item(name, Path(f"{name}.jpg"), "validation", title_zh, title_en, attributes)


A = item("a", "白裙", "white dress", category="dress", colour="white")
B = item("b", "红裙", "red dress", category="dress", colour="red", colour_alt=["white"])
C = item("c", "白衫", "white shirt", category="shirt", colour="white", colour_alt=None)
D = item("d", "白裙", "", category="dress", colour="white", colour_alt=[])
E = item("e", "", "red shirt", category="shirt", colour="red", colour_alt="blue")
F = item("f", "蓝帽", "blue hat", category="hat", colour="blue", colour_alt="red")
SIX = [A, B, C, D, E, F]
# They answer none of the queries, and come first wherever the order of the catalogue decides.
FILLERS = [item(f"filler{index}", "", "", category="sock", colour="black") for index in range(8)]


def ranked(items, *orders):
    """Make the similarities that rank each query's items in the order of their ids."""
    positions = [[order.index(item.id) for item in items] for order in orders]
    return -np.array(positions, dtype=np.float32)


def answers(queries, items):
    found = relevance(queries, items)
    return {
        criterion: ["".join(item.id for item, hit in zip(items, row, strict=True) if hit) for row in rows]
        for criterion, rows in found.items()
    }


def test_the_queries_are_the_distinct_titles_of_the_first_items_that_bear_them():
    assert distinct_titles(SIX, "zh") == {"白裙": A, "红裙": B, "白衫": C, "蓝帽": F}
    assert distinct_titles(SIX, "en") == {
        "white dress": A,
        "red dress": B,
        "white shirt": C,
        "red shirt": E,
        "blue hat": F,
    }


def test_a_second_colour_of_an_item_is_a_hit_but_not_one_of_the_query():
    assert answers([A, B, C, E, F], SIX) == {
        "category": ["abd", "abd", "ce", "ce", "f"],
        "colour": ["abcd", "bef", "abcd", "bef", "ef"],
        "both": ["abd", "b", "c", "e", "f"],
    }


def test_an_item_with_several_values_answers_each_and_asks_for_the_first():
    striped = item("s", "", "striped shirt", category=["shirt", "top"], colour=["red", "white"])
    found = answers([striped, A], [*SIX, striped])
    assert found == {"category": ["ces", "abd"], "colour": ["befs", "abcds"], "both": ["es", "abd"]}


@pytest.mark.parametrize(
    ("missing", "criteria"),
    [("colour", {"category"}), ("category", {"colour"}), (None, {"category", "colour", "both"})],
)
def test_a_criterion_that_an_item_lacks_is_left_out(missing, criteria):
    known = {name: value for name, value in A.attributes.items() if name != missing}
    items = [*SIX, item("g", "", "thing", **known)]
    assert relevance([A], items).keys() == criteria
    assert retrieval_quality(np.zeros((1, 7)), [A], items).keys() == criteria
    assert reference_points([A], items).keys() == criteria


def test_r_precision_and_average_precision_of_a_ranking():
    found = retrieval_quality(ranked(SIX, "bcafde", "cefabd"), [A, E], SIX)
    # The relevant items of A are abd, abcd, abd, those of E ce, bef, e: at these ranks
    # category 1 3 5 and 1 2, colour 1 2 3 5 and 2 3 5, both 1 3 5 and 2.
    assert found == {
        "category": {
            "p_at_10": pytest.approx((0.3 + 0.2) / 2),
            "r_precision": pytest.approx((2 / 3 + 1) / 2),
            "map": pytest.approx(((1 + 2 / 3 + 3 / 5) / 3 + 1) / 2),
        },
        "colour": {
            "p_at_10": pytest.approx((0.4 + 0.3) / 2),
            "r_precision": pytest.approx((3 / 4 + 2 / 3) / 2),
            "map": pytest.approx(((1 + 1 + 1 + 4 / 5) / 4 + (1 / 2 + 2 / 3 + 3 / 5) / 3) / 2),
        },
        "both": {
            "p_at_10": pytest.approx((0.3 + 0.1) / 2),
            "r_precision": pytest.approx((2 / 3 + 0) / 2),
            "map": pytest.approx(((1 + 2 / 3 + 3 / 5) / 3 + 1 / 2) / 2),
        },
    }


def test_precision_counts_the_first_ten():
    items, fillers = [*FILLERS, *SIX], [filler.id for filler in FILLERS]
    found = retrieval_quality(
        ranked(items, ["b", *fillers, "c", *"afde"], [*"cefabd", *fillers]), [A, E], items
    )
    assert {criterion: figures["p_at_10"] for criterion, figures in found.items()} == {
        "category": pytest.approx((0.1 + 0.2) / 2),
        "colour": pytest.approx((0.2 + 0.3) / 2),
        "both": pytest.approx((0.1 + 0.1) / 2),
    }


def test_a_perfect_ranking_reaches_the_ceiling_and_a_worse_one_does_not():
    items, fillers = [*FILLERS, *SIX], [filler.id for filler in FILLERS]
    reference = reference_points([A, E], items)
    perfect = retrieval_quality(ranked(items, [*"abdcef", *fillers], [*"ecbfad", *fillers]), [A, E], items)
    worst = retrieval_quality(ranked(items, [*fillers, *"abdcef"], [*fillers, *"ecbfad"]), [A, E], items)
    for criterion, points in reference.items():
        assert perfect[criterion]["p_at_10"] == points["ceiling"] > worst[criterion]["p_at_10"]
        assert perfect[criterion]["map"] > worst[criterion]["map"]


def test_random_order_finds_the_share_of_relevant_items():
    reference = reference_points([A, E], [*FILLERS, *SIX])
    assert reference["category"]["random"] == pytest.approx((3 + 2) / (2 * 14))
    assert reference["colour"]["random"] == pytest.approx((4 + 3) / (2 * 14))
    assert reference["both"]["random"] == pytest.approx((3 + 1) / (2 * 14))


def test_the_best_constant_order_serves_the_most_frequent_queries():
    """Twelve dresses fill the first ten places; the query for one of six shirts finds none."""
    shirts = [item(f"shirt{index}", "", "", category="shirt", colour="white") for index in range(6)]
    dresses = [item(f"dress{index}", "", "", category="dress", colour="white") for index in range(12)]
    reference = reference_points([dresses[0], dresses[1], shirts[0]], [*shirts, *dresses])
    expected = {
        "random": pytest.approx((12 + 12 + 6) / (3 * 18)),
        "majority": pytest.approx((1 + 1 + 0) / 3),
        "ceiling": pytest.approx((1 + 1 + 0.6) / 3),
    }
    assert reference["category"] == reference["both"] == expected
    assert reference["colour"] == {"random": 1, "majority": 1, "ceiling": 1}


def test_a_language_is_reported_with_its_queries():
    similarity = ranked(SIX, "bcafde", "cefabd")
    assert language_report(similarity, [A, E], SIX) == {
        "queries": 2,
        "quality": retrieval_quality(similarity, [A, E], SIX),
        "reference": reference_points([A, E], SIX),
    }
