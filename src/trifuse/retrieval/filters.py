"""Filters on the attributes of items, as clients write them in JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from trifuse.errors import InputError
from trifuse.retrieval.json_input import read_json

_LARGEST = sys.float_info.max

Scalar = str | float | bool

EXAMPLE = (
    '{"category": "dress", "colour": ["white", "beige"], "price": {"min": 50, "max": 200}, "in_stock": true}'
)


class Kind(StrEnum):
    """What an attribute holds; every value of an attribute is of one kind."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "true or false"


def kind_of(value: object) -> Kind | None:
    """Tell the kind of one value; None for what cannot be an attribute's value."""
    if isinstance(value, bool):
        return Kind.FLAG
    if isinstance(value, str):
        return Kind.TEXT
    if isinstance(value, int | float) and -_LARGEST <= value <= _LARGEST:
        return Kind.NUMBER
    return None


@dataclass(frozen=True)
class AnyOf:
    """An item matches when one of its values is one of these; they are of one kind."""

    values: tuple[Scalar, ...]

    @property
    def kind(self) -> Kind | None:
        """What the attribute must hold."""
        return kind_of(self.values[0])


@dataclass(frozen=True)
class Range:
    """An item matches when one of its numbers is between these, both included; None leaves an end open."""

    minimum: float | None = None
    maximum: float | None = None
    kind = Kind.NUMBER


@dataclass(frozen=True)
class Filters:
    """Conditions by attribute; an item must meet all of them. Without any, every item matches."""

    conditions: tuple[tuple[str, AnyOf | Range], ...] = ()

    @classmethod
    def parse(cls, source: str | bytes | Mapping[str, Any]) -> Filters:
        """Read filters from JSON text or from what it stands for; empty text holds none.

        A scalar asks for equality, a list for any of its values, {"min": …, "max": …} for a range of numbers.
        Raises InputError.
        """
        content = source if isinstance(source, Mapping) else _decode(source)
        if not isinstance(content, Mapping):
            raise _refusal("filters are not a JSON object", content)
        return cls(tuple((str(name), _condition(str(name), wish)) for name, wish in content.items()))

    def check(self, known: Mapping[str, Kind]) -> None:
        """Raise InputError for an attribute that no item has, or that holds values of another kind."""
        for name, condition in self.conditions:
            if name not in known:
                raise InputError(
                    f"no item has the attribute {name!r}",
                    got=repr(name),
                    expected="one of " + ", ".join(sorted(known)) if known else "items with attributes",
                    hint="Leave it out of the filters, or correct its name",
                )
            if condition.kind != known[name]:
                raise InputError(
                    f"the filter on {name!r} cannot match",
                    got=condition.kind,
                    expected=known[name],
                    hint=f"Filters look like {EXAMPLE}",
                )


def _decode(source: str | bytes) -> object:
    if not source.strip():
        return {}
    return read_json(source, "filters", f"Filters look like {EXAMPLE}")


def _condition(name: str, wish: object) -> AnyOf | Range:
    if isinstance(wish, Mapping):
        return _range(name, wish)
    values = tuple(wish) if isinstance(wish, list | tuple) else (wish,)
    kinds = {kind_of(value) for value in values}
    if len(kinds) != 1 or None in kinds:
        raise _refusal(
            f"the filter on {name!r} is not a value, a list of values of one kind, or a range", wish
        )
    return AnyOf(values)


def _range(name: str, wish: Mapping[str, object]) -> Range:
    ends = (wish.get("min"), wish.get("max"))
    given = [end for end in ends if end is not None]
    if not wish.keys() <= {"min", "max"} or not given or any(kind_of(end) != Kind.NUMBER for end in given):
        raise _refusal(f'the range of {name!r} has other things than numbers at "min" and "max"', wish)
    if len(given) == 2 and given[0] > given[1]:  # type: ignore[operator]
        raise _refusal(f"the range of {name!r} ends before it begins", wish)
    return Range(*ends)  # type: ignore[arg-type]


def _refusal(problem: str, got: object) -> InputError:
    shown = got if isinstance(got, str) else repr(got)
    return InputError(problem, got=shown[:200], hint=f"Filters look like {EXAMPLE}")
