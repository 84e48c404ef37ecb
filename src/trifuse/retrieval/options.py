"""How a client wants to search: a JSON object that is checked before it is used."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Self

from trifuse.errors import InputError
from trifuse.retrieval.json_input import read_json

MOST_HITS = 1000
MOST_CANDIDATES = 64


@dataclass(frozen=True)
class SearchOptions:
    """`top` hits of `candidates`; `lexical` also compares words.

    `rerank` scores each candidate with the query; not given, the index decides. `group` shows a product once;
    `weak` also shows hits below the index's threshold.
    """

    top: int = 10
    candidates: int = 50
    lexical: bool = True
    rerank: bool | None = None
    group: bool = True
    weak: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read options from JSON. Raises InputError for what is no option and for values that do not fit."""
        values = read_json(text, "options")
        known = [field.name for field in fields(cls)]
        if not isinstance(values, dict) or not values.keys() <= set(known):
            raise InputError(
                "these are no search options", got=text[:80], expected=f"some of {', '.join(known)}"
            )
        numbers = {"top": MOST_HITS, "candidates": MOST_CANDIDATES}
        for name, value in values.items():
            _check(name, value, numbers.get(name))
        return cls(**values)


def _check(name: str, value: Any, most: int | None) -> None:
    if most is None:
        fits, expected = isinstance(value, bool), "true or false"
    else:
        least = 0 if name == "top" else 1
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        expected = f"a whole number from {least} to {most}"
    if not fits:
        raise InputError(
            f"the option '{name}' has a bad value", got=json.dumps(value)[:80], expected=expected
        )
