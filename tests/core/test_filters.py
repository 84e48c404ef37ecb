from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trifuse.errors import InputError
from trifuse.retrieval.attributes import Columns
from trifuse.retrieval.filters import EXAMPLE, AnyOf, Filters, Range

ROWS: list[dict[str, Any]] = [
    {"category": "dress", "colour": ["white", "red"], "price": 60, "in_stock": True},
    {"category": "dress", "colour": "beige", "price": 250.0, "in_stock": True},
    {"category": "shirt", "colour": [], "price": None, "in_stock": False},
    {"category": "dress", "colour": ["black", "white", "beige"], "price": [300, 90]},
]


def columns(*rows: dict[str, Any]) -> Columns:
    made = Columns()
    made.write(np.arange(len(rows)), rows)
    return made


def test_filters_are_read_from_json() -> None:
    filters = Filters.parse(EXAMPLE)
    assert filters == Filters(
        (
            ("category", AnyOf(("dress",))),
            ("colour", AnyOf(("white", "beige"))),
            ("price", Range(50, 200)),
            ("in_stock", AnyOf((True,))),
        )
    )
    assert Filters.parse(EXAMPLE.encode()) == filters
    assert Filters.parse("") == Filters.parse("{}") == Filters.parse({}) == Filters()
    assert columns(*ROWS).mask(filters).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('{"price": ', "cannot be read as JSON"),
        (b"\xff", "cannot be read as JSON"),
        ('{"price": "\\ud800"}', "cannot be read as JSON"),
        ('{"price": 1' + 400 * "0" + "}", "is not a value"),
        ("[1]", r"not a JSON object: got \[1\]"),
        ({"price": {"min": 5, "max": 2}}, "range of 'price' ends before it begins: got {'min': 5, 'max': 2}"),
        ({"price": {"from": 5}}, "range of 'price' has other things than numbers"),
        ({"price": {}}, "range of 'price'"),
        ({"price": {"min": "5"}}, "range of 'price'"),
        ({"price": {"min": True}}, "range of 'price'"),
        ('{"price": {"min": NaN}}', "range of 'price'"),
        ({"colour": []}, r"filter on 'colour' is not a value.*got \[\]"),
        ({"colour": ["red", 3]}, "values of one kind"),
        ({"colour": None}, "got None"),
        ({"colour": [["red"]]}, "filter on 'colour'"),
    ],
)
def test_malformed_filters_are_refused_with_an_example(source: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        Filters.parse(source)
    assert str(refusal.value).endswith(f"Filters look like {EXAMPLE}")


@pytest.mark.parametrize(
    ("wish", "rows"),
    [
        ({}, [0, 1, 2, 3]),
        ({"category": ["dress", "hat"]}, [0, 1, 3]),
        ({"colour": "white"}, [0, 3]),
        ({"colour": ["beige", "red"]}, [0, 1, 3]),
        ({"price": 60}, [0]),
        ({"price": [250, 300]}, [1, 3]),
        ({"price": {"max": 90}}, [0, 3]),
        ({"in_stock": False}, [2]),
        ({"in_stock": [False, True]}, [0, 1, 2]),
        ({"colour": "beige", "price": {"min": 200}}, [1, 3]),
    ],
)
def test_a_row_matches_by_any_of_its_values(wish: dict[str, Any], rows: list[int]) -> None:
    made = columns(*ROWS)
    assert np.flatnonzero(made.mask(Filters.parse(wish))).tolist() == rows
    described, arrays = made.state()
    assert np.flatnonzero(Columns.restore(4, described, arrays).mask(Filters.parse(wish))).tolist() == rows


def test_rows_are_overwritten_and_appended() -> None:
    made = columns(*ROWS)
    made.write(np.array([3, 4, 0]), [{"colour": ["green"]}, {"colour": ["red", "white"], "new": 1}, {}])
    assert len(made) == 5
    assert made.mask(Filters.parse({"colour": "white"})).tolist() == [False, False, False, False, True]
    assert made.mask(Filters.parse({"colour": "green"})).tolist() == [False, False, False, True, False]
    assert made.mask(Filters.parse({"price": {"min": 0}})).tolist() == [False, True, False, False, False]
    assert made.mask(Filters.parse({"new": 1})).tolist() == [False] * 4 + [True]


def test_rows_are_taken() -> None:
    taken = columns(*ROWS).take(np.array([1, 3]))
    assert taken.mask(Filters.parse({"colour": "white"})).tolist() == [False, True]
    assert taken.mask(Filters.parse({"price": {"max": 100}})).tolist() == [False, True]


def test_values_of_another_kind_change_nothing() -> None:
    made = columns(*ROWS)
    with pytest.raises(InputError, match="'in_stock' has a value of another kind: got 1, expected true or"):
        made.write(np.array([0]), [{"category": "hat", "in_stock": 1}])
    assert made.mask(Filters.parse({"category": "dress"})).tolist() == [True, True, False, True]
