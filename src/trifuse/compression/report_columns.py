"""Columns of figures that are compared with the first row: text, change, and which are best and worst."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeGuard, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Key = TypeVar("Key")

MISSING = "–"


class Measured(Protocol):
    """What has a quality and a latency; None is a value that was not measured."""

    @property
    def quality(self) -> Mapping[str, float | None]:
        """Values by metric."""

    @property
    def latency_ms(self) -> Mapping[int, float | None]:
        """Medians by batch size."""


@dataclass(frozen=True)
class Cell:
    """A figure as text, its change against the first row, and how it stands in its column.

    `change` is empty in the first row and where either value is missing; `hint` is best, worst or empty;
    `share` is that of the largest value, None for qualities.
    """

    figure: str
    change: str = ""
    hint: str = ""
    share: float | None = None

    @property
    def text(self) -> str:
        """The figure with its change, such as `1.23 ms (6.4×)`."""
        return f"{self.figure} ({self.change})" if self.change else self.figure


@dataclass(frozen=True)
class Column:
    """A heading and its cells, top to bottom."""

    heading: str
    cells: tuple[Cell, ...]


def quality_columns(rows: Sequence[Measured]) -> list[Column]:
    """Make a column for every metric, in order of appearance; the change is the difference."""
    return [
        _column(metric, [row.quality.get(metric) for row in rows], "{:.3f}".format, _difference, best=max)
        for metric in _keys(row.quality for row in rows)
    ]


def latency_columns(rows: Sequence[Measured]) -> list[Column]:
    """Make a column for every batch size, ascending; the change is the speed-up."""
    return [
        cost_column(f"latency, batch {batch}", [row.latency_ms.get(batch) for row in rows], milliseconds)
        for batch in sorted(_keys(row.latency_ms for row in rows))
    ]


def cost_column(heading: str, values: Sequence[float | None], figure: Callable[[float], str]) -> Column:
    """Make a column of what should be small; the change says how many times smaller than the first."""
    return _column(heading, values, figure, _ratio, best=min)


def milliseconds(value: float) -> str:
    """Format a time given in milliseconds with three digits."""
    return f"{_three_digits(value)} ms"


def count(value: float, unit: str = "") -> str:
    """Format a large number with three digits and a decimal prefix, such as `23.5 M`."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{_three_digits(value / factor)} {prefix}{unit}"
    return f"{value:g} {unit}".rstrip()


def is_known(value: float | None) -> TypeGuard[float]:
    """Tell whether a value was measured: neither None nor NaN."""
    return value is not None and math.isfinite(value)


def _column(
    heading: str,
    values: Sequence[float | None],
    figure: Callable[[float], str],
    change: Callable[[float, float], str],
    best: Callable[[Iterable[float]], float],
) -> Column:
    known = [value for value in values if is_known(value)]
    largest = max(known, default=0)
    # By what is shown: two equal figures are not the best and the worst.
    extremes = {figure(min(known)), figure(max(known))} if known else set()
    hints = {**dict.fromkeys(extremes, "worst"), figure(best(known)): "best"} if len(extremes) > 1 else {}

    def cell(index: int, value: float | None) -> Cell:
        if not is_known(value):
            return Cell(MISSING)
        against = change(values[0], value) if index and is_known(values[0]) else ""
        share = value / largest if best is min and largest else None
        text = figure(value)
        return Cell(text, against, hints.get(text, ""), share)

    return Column(heading, tuple(cell(index, value) for index, value in enumerate(values)))


def _keys(mappings: Iterable[Mapping[Key, object]]) -> list[Key]:
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))


def _difference(first: float, value: float) -> str:
    return f"{value - first:+.3f}".replace("-", "−")


def _ratio(first: float, value: float) -> str:
    if not value:
        return ""
    ratio = first / value
    return f"{ratio:.{0 if ratio >= 100 else 1 if ratio >= 1 else 2}f}×"


def _three_digits(value: float) -> str:
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"
