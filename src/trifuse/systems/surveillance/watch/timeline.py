"""What was watched, as a picture a camera and one page for all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from trifuse.artifacts import write_file
from trifuse.systems.surveillance.watch.timeline_plot import clock, timeline_png

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from trifuse.systems.surveillance.watch.history import History, Incident

PAGE = "timeline.html"
_HEADINGS = ("event", "began", "told", "until", "peak", "picture", "clip", "")


@dataclass(frozen=True)
class Watched:
    """A camera for the page: its history and its summary."""

    name: str
    history: History
    summary: Mapping[str, Any]


def write_timelines(folder: Path, watched: Sequence[Watched], events: Sequence[str]) -> Path:
    """Write `<camera>.png` for every camera and the page that shows them with their incidents.

    Returns the page. Raises OSError.
    """
    sections = []
    for camera in watched:
        picture = folder / f"{camera.name}.png"
        png = timeline_png(camera.name, camera.history, events, float(camera.summary["watched_s"]))
        write_file(picture, png)
        sections.append(_section(camera, picture.name, folder))
    template = Template(
        files("trifuse.systems.surveillance.watch").joinpath(PAGE).read_text(encoding="utf-8")
    )
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    page = template.substitute(title="What was watched", time=now, cameras="".join(sections))
    write_file(folder / PAGE, page)
    return folder / PAGE


def _section(camera: Watched, picture: str, folder: Path) -> str:
    summary = camera.summary
    facts = (
        f"{escape(str(summary['source']))} · {clock(summary['watched_s'])} watched · "
        f"{summary['alerts']} incidents · {summary['assessed']} of {summary['windows']} windows assessed"
    )
    name = escape(camera.name)
    image = f'<img class="timeline" src="{quote(picture)}" alt="timeline of {name}">'
    rows = "".join(_row(incident, folder) for incident in list(camera.history.incidents.values()))
    head = "".join(f'<th scope="col">{heading}</th>' for heading in _HEADINGS)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    return f'<section><h2>{name}</h2><p>{facts}</p>{image}<div class="scroll">{table}</div></section>\n'


def _row(incident: Incident, folder: Path) -> str:
    alert = incident.alert
    snapshot, clip = (_link(incident.files.get(kind), folder) for kind in ("snapshot", "clip"))
    cells = (
        escape(alert.event.replace("_", " ")),
        clock(alert.started_s),
        clock(incident.told_s),
        clock(alert.until_s),
        f"{alert.peak:.2f}",
        f'<a href="{snapshot}"><img src="{snapshot}" alt="" loading="lazy"></a>' if snapshot else "",
        f'<a href="{clip}">clip</a>' if clip else "",
        escape(alert.reason or ""),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _link(path: str | None, folder: Path) -> str:
    return quote(os.path.relpath(path, folder)) if path else ""
