"""A page of what was measured: tables and pictures in one HTML file."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from trifuse.benchmarking.load_tables import Rows, latency_rows, model_rows

if TYPE_CHECKING:
    from collections.abc import Mapping


def page(data: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """Write the page of a report of `benchmarks/latency.py`; `pictures` are PNG files by model."""
    template = Template(files(__package__).joinpath("load.html").read_text(encoding="utf-8"))
    sections = [_section(_table(latency_rows(data)))]
    for model, picture in pictures.items():
        tables = "".join(map(_table, model_rows(model, data)))
        sections.append(_section(f"<h2>{escape(model)}</h2>{_image(picture, model)}{tables}"))
    served = f"{data['system']} ({data['profile']}, contract {data['contract_hash']})"
    versions = ", ".join(f"{model} {version}" for model, version in data["versions"].items())
    return template.substitute(
        title=escape(f"Latency of {served}"), machine=escape(data["machine"]), versions=escape(versions)
    ).replace("<!-- sections -->", "".join(sections))


def _section(content: str) -> str:
    return f"<section>{content}</section>"


def _image(picture: bytes, model: str) -> str:
    source = f"data:image/png;base64,{b64encode(picture).decode()}"
    return f'<img src="{source}" alt="{escape(model)}: latency under load, and time in each step">'


def _table(rows: Rows) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in rows.headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in rows.cells
    )
    return f"<h3>{escape(rows.title)}</h3><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
