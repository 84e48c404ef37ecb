"""What the figures say: medians over the rounds, and ratios of the same round with their spread."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from benchmarks.peers.lines import BOUND, OURS
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    # Figures of every round, by the line's title and the number of clients.
    Rounds = Sequence[Mapping[str, float]]
    Figures = Mapping[str, Mapping[int, Rounds]]


def compare(figures: Figures) -> dict[str, dict[str, Any]]:
    """Compare Trifuse with every other line; each ratio is {"median", "low", "high"} over the rounds.

    `latency` is the other's p50 at one client over ours, `throughput` our most over the other's most,
    `throughput_at_equal_p99` ours at the middle number of clients over the most that the other reaches with
    a p99 no higher, or None if it reaches none, and `added_ms` what our p50 is above the other's.
    """
    ours, limit_ms, clients = figures[OURS], _limit_ms(figures[OURS]), _middle(figures[OURS])
    return {
        title: {
            "latency": spread(_ratios(column(other, 1, "p50"), column(ours, 1, "p50"))),
            "added_ms": spread(
                [mine - theirs for mine, theirs in _pairs(column(ours, 1, "p50"), column(other, 1, "p50"))]
            ),
            "throughput": spread(_ratios(_best(ours), _best(other))),
            "throughput_at_equal_p99": None
            if (within := clients_within(other, limit_ms)) is None
            else spread(_ratios(column(ours, clients, "per_second"), column(other, within, "per_second"))),
        }
        for title, other in figures.items()
        if title != OURS
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Summarise the rounds' values."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def clients_within(line: Mapping[int, Rounds], limit_ms: float) -> int | None:
    """Find the number of clients with the highest throughput whose median p99 is within the limit."""
    fit = [clients for clients in line if statistics.median(column(line, clients, "p99")) <= limit_ms]
    return max(fit, key=lambda clients: statistics.median(column(line, clients, "per_second")), default=None)


def column(line: Mapping[int, Rounds], clients: int, name: str) -> list[float]:
    """List a figure of every round."""
    return [found[name] for found in line[clients]]


def _limit_ms(line: Mapping[int, Rounds]) -> float:
    return statistics.median(column(line, _middle(line), "p99"))


def _middle(line: Mapping[int, Rounds]) -> int:
    return sorted(line)[len(line) // 2]


def _best(line: Mapping[int, Rounds]) -> list[float]:
    """List every round's highest throughput at the number of clients that is best over all rounds."""
    clients = max(line, key=lambda count: statistics.median(column(line, count, "per_second")))
    return column(line, clients, "per_second")


def _pairs(first: Sequence[float], second: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(first, second, strict=True))


def _ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    # A round without one answer in its window has no ratio.
    return [above / below for above, below in _pairs(over, under) if below] or [float("nan")]


def tables(figures: Figures, title: str, caption: str) -> list[Table]:
    """Show the medians of all lines, and how Trifuse compares with the others."""
    return [_figures_table(figures, title), _comparison_table(figures, caption)]


def _figures_table(figures: Figures, title: str) -> Table:
    names = ("per_second", "p50", "p95", "p99", "cores", "memory_mb")
    table = Table("server", "clients", "a second", "p50 ms", "p95 ms", "p99 ms", "cores", "MB", title=title)
    for line, by_clients in figures.items():
        for clients, rounds in by_clients.items():
            values = (
                f"{statistics.median(column(by_clients, clients, name)):.1f}" if name in rounds[0] else "–"
                for name in names
            )
            table.add_row(line, str(clients), *values)
        table.add_section()
    return table


def _comparison_table(figures: Figures, caption: str) -> Table:
    table = Table(
        f"{OURS} against",
        "p50 at 1 client, × lower",
        "most throughput, ×",
        "throughput at equal p99, ×",
        "p50 added, ms",
        caption=caption,
    )
    for title, found in compare(figures).items():
        names = ("latency", "throughput", "throughput_at_equal_p99", "added_ms")
        shown = {name: _show(found[name]) for name in names}
        if title == BOUND:
            # Nobody waits for company there: it has no p99 to be equal to.
            shown["throughput_at_equal_p99"] = "–"
        table.add_row(title, *shown.values())
    return table


def _show(found: Mapping[str, float] | None) -> str:
    if found is None:
        return "none so fast"
    return f"{found['median']:.2f} ({found['low']:.2f} – {found['high']:.2f})"
