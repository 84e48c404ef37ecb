"""The report as a page that needs nothing else, and as tables."""

from __future__ import annotations

import base64
import csv
import io
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from trifuse.artifacts import write_file
from trifuse.systems.learning.contract import BEHAVIOURS
from trifuse.systems.learning.report.findings import clock, findings, phases, words
from trifuse.systems.learning.report.plot import class_png, learner_png

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from trifuse.systems.learning.report.findings import Phase
    from trifuse.systems.learning.report.summary import Individual, Summary

PAGE, PICTURE, CLASS_TABLE, LEARNERS_TABLE = "report.html", "report.png", "class.csv", "learners.csv"
_CLASS = (
    "lesson",
    "start_s",
    "end_s",
    "observed",
    "learners",
    "attention",
    "low",
    "high",
    "present",
    *BEHAVIOURS,
)
_LEARNERS = ("lesson", "learner", "observed_s", "attention", *BEHAVIOURS)


def write_report(folder: Path, summaries: Sequence[Summary]) -> Path:
    """Write the page, the picture of the first lesson that has one, and both tables; returns the page."""
    pictures = {one.lesson: class_png(one) for one in summaries if one.bins}
    # A report on fewer learners must not show the class of the report before.
    (folder / PICTURE).unlink(missing_ok=True)
    for png in list(pictures.values())[:1]:
        write_file(folder / PICTURE, png)
    write_file(folder / CLASS_TABLE, _csv(_CLASS, (row for one in summaries for row in _bins(one))))
    write_file(
        folder / LEARNERS_TABLE, _csv(_LEARNERS, (row for one in summaries for row in _individuals(one)))
    )
    sections = "".join(_lesson(one, pictures.get(one.lesson)) for one in summaries)
    template = Template(
        files("trifuse.systems.learning.report").joinpath("page.html").read_text(encoding="utf-8")
    )
    subtitle = " · ".join(
        f"{one.lesson}: {clock(one.duration_s)}, {one.learners} learners" for one in summaries
    )
    page = template.substitute(title="Lesson report", subtitle=escape(subtitle), sections=sections)
    write_file(folder / PAGE, page)
    return folder / PAGE


def _lesson(summary: Summary, picture: bytes | None) -> str:
    told = "".join(f"<li>{escape(line)}</li>" for line in findings(summary))
    image = _image(picture, f"the class in {summary.lesson}") if picture else ""
    name = escape(summary.lesson)
    versions = ", ".join(map(str, summary.versions)) or "none, as nothing was observed"
    tables = f'{_phases(summary)}<p class="soft">Told by model version: {versions}.</p>'
    return f"<section><h2>{name}: the class</h2><ul>{told}</ul>{image}{tables}</section>{_agreed(summary)}"


def _phases(summary: Summary) -> str:
    least, most = phases(summary)
    if not least:
        return ""
    columns = (
        '<th class="n">attention (0 to 3)</th><th class="n">present</th><th>most frequent behaviour</th>'
    )
    rows = [
        f"<tr><td>{kind}</td>{_cells(one)}</tr>"
        for kind, found in (("least", least), ("most", most))
        for one in found
    ]
    return (
        "<h3>Parts with the least and the most attention</h3>"
        '<div class="scroll"><table style="white-space: nowrap">'
        f"<tr><th></th><th>from – to</th>{columns}</tr>{''.join(rows)}</table></div>"
    )


def _cells(phase: Phase) -> str:
    return (
        f"<td>{clock(phase.start_s)} – {clock(phase.end_s)}</td>"
        f'<td class="n">{phase.attention:.1f}</td><td class="n">{phase.present:.0%}</td>'
        f"<td>{words(phase.behaviour)} ({phase.share:.0%})</td>"
    )


def _agreed(summary: Summary) -> str:
    withheld = (
        f'<p class="soft">{summary.withheld} of {summary.learners} learners have no consent on record: they '
        "count in the class only.</p>"
    )
    parts = "".join(_individual(one, summary.duration_s) for one in summary.individuals)
    return f"<section><h2>{escape(summary.lesson)}: learners who agreed</h2>{withheld}{parts}</section>"


def _individual(individual: Individual, duration_s: float) -> str:
    name = escape(individual.learner)
    if individual.attention is None or not individual.shares:
        return f"<h3>{name}</h3><p>Not enough data: {individual.observed_s / 60:.1f} minutes observed.</p>"
    often = sorted(individual.shares.items(), key=lambda pair: -pair[1])
    told = ", ".join(f"{words(behaviour)} {share:.0%}" for behaviour, share in often if share)
    minutes = individual.observed_s / 60
    facts = f"{minutes:.1f} minutes observed, attention {individual.attention:.1f} of 3; {told}"
    return (
        f"<h3>{name}</h3><p>{facts}</p>{_image(learner_png(individual, duration_s), f'timeline of {name}')}"
    )


def _image(png: bytes, alt: str) -> str:
    return f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}" alt="{escape(alt)}">'


def _bins(summary: Summary) -> Iterable[list[object]]:
    for one in summary.bins:
        attention = [f"{value:.3f}" for value in one.attention] if one.attention else [""] * 3
        shares = [f"{value:.3f}" for value in one.shares.values()] if one.shares else [""] * len(BEHAVIOURS)
        present = "" if one.present is None else f"{one.present:.3f}"
        known = [summary.lesson, one.start_s, one.end_s, f"{one.observed:.3f}", one.learners]
        yield [*known, *attention, present, *shares]


def _individuals(summary: Summary) -> Iterable[list[object]]:
    for one in summary.individuals:
        shares = [f"{value:.3f}" for value in one.shares.values()] if one.shares else [""] * len(BEHAVIOURS)
        attention = "" if one.attention is None else f"{one.attention:.3f}"
        yield [summary.lesson, one.learner, one.observed_s, attention, *shares]


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    return text.getvalue()
