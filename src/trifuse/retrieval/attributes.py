"""Attributes of items in columns, so that a filter over a million rows takes milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.errors import InputError
from trifuse.retrieval.filters import AnyOf, Filters, Kind, Range, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

# Up to so many values comparing with each is the quicker way.
_FEW_VALUES = 16
_MISSING: dict[Kind, Any] = {Kind.TEXT: np.int32(-1), Kind.NUMBER: np.float64("nan"), Kind.FLAG: np.int8(-1)}


def values_of(value: object) -> tuple[Any, ...]:
    """List an attribute's values: none, one, or those of a list."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def kinds_after(known: Mapping[str, Kind], rows: Sequence[Mapping[str, Any]]) -> dict[str, Kind]:
    """Tell the kinds of all attributes once these rows are stored.

    Raises InputError for a value that cannot be filtered by, or of another kind than the attribute has.
    """
    kinds = dict(known)
    for row in rows:
        for name, held in row.items():
            for value in values_of(held):
                kind = kind_of(value)
                if kind is None or kinds.setdefault(name, kind) != kind:
                    raise InputError(
                        f"the attribute {name!r} has a value of another kind",
                        got=repr(value),
                        expected=kinds.get(name) or "text, a finite number, true or false",
                        hint="Give every item's attribute one kind of value, or a list of them",
                    )
    return kinds


@dataclass
class Column:
    """One attribute of all rows. `first` holds a value for each row (text as its number in `categories`).

    The second and further values of rows that have a list are beside it: `more` at `more_rows`.
    """

    kind: Kind
    first: NDArray[Any]
    more_rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    more: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    categories: dict[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls, kind: Kind, rows: int) -> Column:
        """Make a column of rows without a value."""
        missing = _MISSING[kind]
        return cls(kind, np.full(rows, missing), more=np.zeros(0, missing.dtype))

    def write(self, rows: NDArray[np.int64], values: Sequence[tuple[Any, ...]], total: int) -> None:
        """Overwrite rows, and append those from the end on; `total` is the number of rows then."""
        missing = _MISSING[self.kind]
        if total > len(self.first):
            self.first = np.append(self.first, np.full(total - len(self.first), missing))
        self.first[rows] = [self._encoded(held[0]) if held else missing for held in values]
        kept = ~np.isin(self.more_rows, rows)
        pairs = [
            (row, self._encoded(value)) for row, held in zip(rows, values, strict=True) for value in held[1:]
        ]
        self.more_rows = np.append(self.more_rows[kept], np.array([row for row, _ in pairs], np.int64))
        self.more = np.append(self.more[kept], np.array([value for _, value in pairs], missing.dtype))

    def matching(self, condition: AnyOf | Range) -> NDArray[np.bool_]:
        """Mark the rows that have a value the condition allows."""
        found = self._allowed(condition, self.first)
        if len(self.more_rows):
            found[self.more_rows[self._allowed(condition, self.more)]] = True
        return found

    def take(self, rows: NDArray[np.int64]) -> Column:
        """Copy some rows, ascending, as rows 0, 1, 2, …."""
        places = np.searchsorted(rows, self.more_rows)
        kept = places < len(rows)
        kept[kept] = rows[places[kept]] == self.more_rows[kept]
        return Column(self.kind, self.first[rows], places[kept], self.more[kept], self.categories)

    def _encoded(self, value: Any) -> Any:
        return self.categories.setdefault(value, len(self.categories)) if self.kind == Kind.TEXT else value

    def _allowed(self, condition: AnyOf | Range, values: NDArray[Any]) -> NDArray[np.bool_]:
        if isinstance(condition, Range):
            return _between(values, condition)
        wanted = condition.values
        if self.kind == Kind.TEXT:
            wanted = tuple(self.categories[value] for value in wanted if value in self.categories)
        if len(wanted) > _FEW_VALUES:
            return np.isin(values, np.array(wanted))
        allowed = np.zeros(len(values), bool)
        for value in wanted:
            allowed |= values == value
        return allowed


def _between(values: NDArray[Any], limits: Range) -> NDArray[np.bool_]:
    low = -np.inf if limits.minimum is None else limits.minimum
    high = np.inf if limits.maximum is None else limits.maximum
    return np.asarray((values >= low) & (values <= high))


class Columns:
    """The attributes of rows 0, 1, 2, …; a row may lack any of them, and then no filter on it matches."""

    def __init__(self, rows: int = 0, columns: dict[str, Column] | None = None) -> None:
        self._rows, self._columns = rows, columns or {}

    def __len__(self) -> int:
        return self._rows

    @property
    def kinds(self) -> dict[str, Kind]:
        """What each attribute holds."""
        return {name: column.kind for name, column in self._columns.items()}

    def write(self, rows: NDArray[np.int64], attributes: Sequence[Mapping[str, Any]]) -> None:
        """Overwrite rows, and append those that follow the last. Raises InputError, changing nothing."""
        kinds = kinds_after(self.kinds, attributes)
        total = max(self._rows, int(rows.max(initial=-1)) + 1)
        for name, kind in kinds.items():
            column = self._columns.setdefault(name, Column.empty(kind, self._rows))
            column.write(rows, [values_of(row.get(name)) for row in attributes], total)
        self._rows = total

    def mask(self, filters: Filters) -> NDArray[np.bool_]:
        """Mark the rows that match. Raises InputError for an unknown attribute."""
        filters.check(self.kinds)
        matching = np.ones(self._rows, bool)
        for name, condition in filters.conditions:
            matching &= self._columns[name].matching(condition)
        return matching

    def take(self, rows: NDArray[np.int64]) -> Columns:
        """Copy some rows, ascending, as rows 0, 1, 2, …."""
        return Columns(len(rows), {name: column.take(rows) for name, column in self._columns.items()})

    def state(self) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
        """Give what `restore` needs: a description for JSON, and arrays by name."""
        described: list[dict[str, Any]] = []
        arrays: dict[str, NDArray[Any]] = {}
        for number, (name, column) in enumerate(self._columns.items()):
            described.append({"name": name, "kind": column.kind.name, "categories": list(column.categories)})
            arrays |= {
                f"first_{number}": column.first,
                f"more_rows_{number}": column.more_rows,
                f"more_{number}": column.more,
            }
        return described, arrays

    @classmethod
    def restore(
        cls, rows: int, described: Sequence[Mapping[str, Any]], arrays: Mapping[str, NDArray[Any]]
    ) -> Columns:
        """Make columns again from their `state`."""
        columns = {
            entry["name"]: Column(
                Kind[entry["kind"]],
                arrays[f"first_{number}"],
                arrays[f"more_rows_{number}"],
                arrays[f"more_{number}"],
                {category: code for code, category in enumerate(entry["categories"])},
            )
            for number, entry in enumerate(described)
        }
        return cls(rows, columns)
