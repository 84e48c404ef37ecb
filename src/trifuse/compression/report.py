"""The report of a compression pipeline: what every stage cost in quality and gained in size and latency."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from html import escape
from importlib.resources import files
from itertools import chain
from string import Template
from typing import TYPE_CHECKING

from rich.markup import escape as escape_markup
from rich.table import Table

from trifuse.compression.report_columns import (
    Cell,
    Column,
    cost_column,
    count,
    is_known,
    latency_columns,
    quality_columns,
)
from trifuse.compression.tradeoff_plot import Point, tradeoff_svg

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class StageRow:
    """What was measured after one stage; what is None or absent was not, and is shown as –.

    `quality` by metric, more is better; `macs` of one example; `bytes` of the files; `latency_ms` by batch
    size, the median.
    """

    stage: str
    quality: Mapping[str, float | None]
    parameters: int | None
    macs: int | None
    bytes: int | None
    latency_ms: Mapping[int, float | None]


@dataclass(frozen=True)
class Candidate:
    """One variant of a part that was tried, measured as in StageRow, and whether it was chosen."""

    part: str
    variant: str
    quality: Mapping[str, float | None]
    latency_ms: Mapping[int, float | None]
    chosen: bool


def tables(rows: Sequence[StageRow], *, title: str) -> list[Table]:
    """Lay out quality and costs for the terminal, with the change against the first row in brackets."""
    groups = {f"{title}: quality": quality_columns(rows), f"{title}: costs": _cost_columns(rows)}
    return [_table(rows, columns, heading) for heading, columns in groups.items() if columns]


def _table(rows: Sequence[StageRow], columns: Sequence[Column], title: str) -> Table:
    rendered = Table("stage", title=escape_markup(title))
    for column in columns:
        rendered.add_column(escape_markup(column.heading), justify="right")
    for index, row in enumerate(rows):
        rendered.add_row(escape_markup(row.stage), *(column.cells[index].text for column in columns))
    return rendered


def html(
    rows: Sequence[StageRow],
    *,
    title: str,
    machine: str,
    date: datetime.date,
    notes: Sequence[str] = (),
    candidates: Sequence[Candidate] = (),
) -> str:
    """Render one self-contained page: a quality–latency plot, the stages, the candidates by part, the notes.

    The plot shows the first metric over the latency of the smallest batch; stages without either are left
    out of it. Every text is shown as it is, never read as HTML.
    """
    template = Template(files("trifuse.compression").joinpath("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(title),
        machine=escape(machine),
        date=date.isoformat(),
        plot=_plot(rows),
        stages=_stage_table(rows),
        candidates=_section("Candidates", _candidate_table(candidates)) if candidates else "",
        notes=_section("Notes", f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>")
        if notes
        else "",
    )


def _stage_columns(rows: Sequence[StageRow]) -> list[Column]:
    return [*quality_columns(rows), *_cost_columns(rows)]


def _cost_columns(rows: Sequence[StageRow]) -> list[Column]:
    return [
        cost_column("parameters", [row.parameters for row in rows], count),
        cost_column("MACs", [row.macs for row in rows], count),
        cost_column("size", [row.bytes for row in rows], partial(count, unit="B")),
        *latency_columns(rows),
    ]


def _plot(rows: Sequence[StageRow]) -> str:
    metric = next(chain.from_iterable(row.quality for row in rows), "")
    batch = min(chain.from_iterable(row.latency_ms for row in rows), default=0)
    measured = [(row.stage, row.latency_ms.get(batch), row.quality.get(metric)) for row in rows]
    points = [Point(stage, x, y) for stage, x, y in measured if is_known(x) and is_known(y) and x > 0]
    if not points:
        return ""
    svg = tradeoff_svg(points, f"median latency at batch {batch}, ms (logarithmic; faster is left)", metric)
    return _section("Quality and latency", f"<figure>{svg}</figure>")


def _stage_table(rows: Sequence[StageRow]) -> str:
    columns = _stage_columns(rows)
    lines = [
        f'<tr><th scope="row">{escape(row.stage)}</th>{_cells(columns, index)}</tr>'
        for index, row in enumerate(rows)
    ]
    return f"<table>{_head(['stage'], columns)}<tbody>{''.join(lines)}</tbody></table>"


def _candidate_table(candidates: Sequence[Candidate]) -> str:
    """Lay out the candidates, each compared with the first of its part."""
    parts: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        parts.setdefault(candidate.part, []).append(candidate)
    bodies = [_part_body(part, tried, _candidate_columns(tried, candidates)) for part, tried in parts.items()]
    head = _head(["part", "variant"], _candidate_columns(candidates, candidates))
    legend = '<p class="legend">A variant is compared with the first of its part.</p>'
    return f'<div class="scroll"><table>{head}{"".join(bodies)}</table></div>{legend}'


def _part_body(part: str, tried: Sequence[Candidate], columns: Sequence[Column]) -> str:
    heading = f'<th scope="rowgroup" rowspan="{len(tried)}">{escape(part)}</th>'
    lines = [
        f'<tr class="{"chosen" if candidate.chosen else ""}">{heading if index == 0 else ""}'
        f'<td class="name">{escape(candidate.variant)}{" ✓ chosen" if candidate.chosen else ""}</td>'
        f"{_cells(columns, index)}</tr>"
        for index, candidate in enumerate(tried)
    ]
    return f"<tbody>{''.join(lines)}</tbody>"


def _candidate_columns(tried: Sequence[Candidate], candidates: Sequence[Candidate]) -> list[Column]:
    """Make the columns of some candidates, the same ones whatever of it they were measured for."""
    metrics = dict.fromkeys(chain.from_iterable(candidate.quality for candidate in candidates))
    batches = dict.fromkeys(chain.from_iterable(candidate.latency_ms for candidate in candidates))
    aligned = [
        replace(
            candidate,
            quality={**metrics, **candidate.quality},
            latency_ms={**batches, **candidate.latency_ms},
        )
        for candidate in tried
    ]
    return [*quality_columns(aligned), *latency_columns(aligned)]


def _head(names: Sequence[str], columns: Sequence[Column]) -> str:
    first = "".join(f'<th scope="col" class="name">{name}</th>' for name in names)
    rest = "".join(f'<th scope="col">{escape(column.heading)}</th>' for column in columns)
    return f"<thead><tr>{first}{rest}</tr></thead>"


def _cells(columns: Sequence[Column], index: int) -> str:
    return "".join(_cell(column.cells[index]) for column in columns)


def _cell(cell: Cell) -> str:
    change = f' <span class="change">({cell.change})</span>' if cell.change else ""
    bar = "" if cell.share is None else f'<span class="bar"><i style="--share:{cell.share:.4f}"></i></span>'
    return f'<td class="{cell.hint}"><span class="figure">{cell.figure}</span>{change}{bar}</td>'


def _section(heading: str, content: str) -> str:
    return f"<section><h2>{heading}</h2>{content}</section>"
