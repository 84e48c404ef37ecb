"""Latencies, load and steps as tables for the terminal; the page shows the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table

from trifuse.benchmarking.latencies import PERCENTILES
from trifuse.benchmarking.server_side import PHASES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

COLUMNS = (*(f"p{percentile}" for percentile in PERCENTILES), "max")
_LOAD = {
    "per_second": "per s",
    **{name: name for name in COLUMNS},
    "failures": "failed",
    "late": "late",
    "server_cores": "cores",
    "server_memory_mb": "MB",
}
_FORMATS = {"failures": "{:g}", "late": "{:.1%}", "server_cores": "{:.2f}", "server_memory_mb": "{:.0f}"}
_ROUND = 100
_KINDS = {"clients": "{:g} clients", "rate": "{:.4g}/s", "p99": "{:.4g}/s (p99 ≤ {limit:g})"}


class Rows(NamedTuple):
    """A table before it is drawn: the first column names the rows."""

    title: str
    headings: tuple[str, ...]
    cells: Sequence[tuple[str, ...]]
    caption: str = ""


def latency_rows(data: Mapping[str, Any]) -> Rows:
    """Show every ensemble's latency with one client."""
    title = f"one {data['protocol']} client, batch 1, {data['requests']} requests"
    cells = [(model, *(f"{row[name]:.2f}" for name in COLUMNS)) for model, row in data["latency_ms"].items()]
    return Rows(title, ("ensemble", *(f"{name} ms" for name in COLUMNS)), cells, data["machine"])


def model_rows(model: str, data: Mapping[str, Any]) -> Iterator[Rows]:
    """Show one ensemble's steps with one client; its loads, if there were any; what the last one took."""
    yield _step_rows(f"{model}, one client: ms an inference", model, data["steps_ms"][model])
    points = data["load"][model]
    if points:
        cells = [(_name(point), *(_cell(point, name) for name in _LOAD)) for point in points]
        yield Rows(f"{model} under load: latencies in ms", ("load", *_LOAD.values()), cells)
        last, title = points[-1], f"{model}, {_name(points[-1])}"
        yield _step_rows(f"{title}: ms an inference", model, last["steps_ms"])
        if "workers" in last:
            yield _worker_rows(f"{title}: the server's processes", last["workers"])


def table(rows: Rows) -> Table:
    """Draw rows for the terminal."""
    drawn = Table(title=rows.title, caption=rows.caption or None)
    for index, heading in enumerate(rows.headings):
        drawn.add_column(heading, justify="right" if index else "left")
    for cells in rows.cells:
        drawn.add_row(*cells)
    return drawn


def _name(point: Mapping[str, Any]) -> str:
    return _KINDS[point["kind"]].format(point["size"], limit=point.get("limit_ms", 0))


def _cell(point: Mapping[str, Any], name: str) -> str:
    if name not in point:
        return ""
    usual = "{:.0f}" if point[name] >= _ROUND else "{:.3g}"
    return _FORMATS.get(name, usual).format(point[name])


def _step_rows(title: str, model: str, steps: Mapping[str, Mapping[str, float]]) -> Rows:
    names = (*PHASES, "batch")
    headings = ("step", *(name.removeprefix("compute_") for name in names))
    return Rows(
        title,
        headings,
        [(step, *(f"{row[name]:.2f}" for name in names)) for step, row in steps.items() if step != model],
    )


def _worker_rows(title: str, workers: Mapping[str, Mapping[str, float]]) -> Rows:
    cells = [(name, f"{row['cores']:.2f}", f"{row['memory_mb']:.0f}") for name, row in workers.items()]
    return Rows(title, ("process", "cores", "MB"), cells)
