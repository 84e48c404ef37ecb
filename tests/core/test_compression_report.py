"""The compression report: every figure is there, nothing is fetched, and no text is read as HTML."""

from __future__ import annotations

import datetime
import io
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from trifuse.compression.report import Candidate, StageRow, html, tables

ROWS = [
    StageRow("teacher", {"P@10": 0.812}, 134_500_000, 11_230_000_000, 538_000_000, {1: 183.2, 8: 1520.0}),
    StageRow("pruned", {"P@10": 0.797}, 12_100_000, 990_000_000, 48_600_000, {1: 19.8, 8: 144.0}),
    StageRow("int8", {"P@10": 0.801}, 12_100_000, 990_000_000, 12_500_000, {1: 8.91, 8: 66.0}),
    StageRow("as served", {"P@10": 0.801}, None, None, None, {1: 11.4}),
]
CANDIDATES = [
    Candidate("encoder", "fp32", {"P@10": 0.803}, {1: 14.2, 8: 101.0}, False),
    Candidate("encoder", "int8", {"P@10": 0.802}, {1: 7.1, 8: 44.0}, True),
    Candidate("fusion", "fp32", {"P@10": 0.803}, {1: 0.42}, True),
]
VOID = {"meta", "br", "link", "img", "input", "hr"}
EVIL = "<script>alert('1')</script> & \"x\" $y$ [red]"


class _Page(HTMLParser):
    """Reads table rows, visible texts and attributes, and that every element is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.hints: list[list[str]] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.tags: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
            self.hints.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.hints[-1].append(dict(attrs).get("class") or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.texts.append(data.strip())
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data


def _render(rows=ROWS, **changes) -> str:
    settings = {"title": "Compression", "machine": "EPYC, 2 cores", "date": datetime.date(2026, 11, 23)}
    return html(rows, **{**settings, **changes})


def test_every_figure_is_in_the_table():
    page = _Page(_render())
    assert page.rows == [
        ["stage", "P@10", "parameters", "MACs", "size", "latency, batch 1", "latency, batch 8"],
        ["teacher", "0.812", "134 M", "11.2 G", "538 MB", "183 ms", "1520 ms"],
        [
            "pruned",
            *("0.797 (−0.015)", "12.1 M (11.1×)", "990 M (11.3×)", "48.6 MB (11.1×)"),
            *("19.8 ms (9.3×)", "144 ms (10.6×)"),
        ],
        [
            "int8",
            *("0.801 (−0.011)", "12.1 M (11.1×)", "990 M (11.3×)", "12.5 MB (43.0×)"),
            *("8.91 ms (20.6×)", "66.0 ms (23.0×)"),
        ],
        ["as served", "0.801 (−0.011)", "–", "–", "–", "11.4 ms (16.1×)", "–"],
    ]
    assert {"Compression", "EPYC, 2 cores ·", "2026-11-23"} <= set(page.texts)


def test_the_best_and_the_worst_of_a_column_are_marked():
    teacher, pruned, int8, served = _Page(_render()).hints[1:]
    assert teacher[1:] == ["best", "worst", "worst", "worst", "worst", "worst"]
    assert pruned[1:] == ["worst", "best", "best", "", "", ""]
    assert int8[1:] == ["", "best", "best", "best", "best", "best"]
    assert set(served[1:]) == {""}
    assert set(_Page(_render(ROWS[:1])).hints[1][1:]) == {""}


def test_figures_that_read_the_same_are_neither_best_nor_worst():
    rows = [replace(ROWS[0], quality={"P@10": 0.8 + index * 1e-5}) for index in range(3)]
    assert [hints[1] for hints in _Page(_render(rows)).hints] == ["", "", "", ""]


def test_candidates_are_compared_with_the_first_of_their_part():
    page = _Page(_render(candidates=CANDIDATES))
    assert page.rows[5:] == [
        ["part", "variant", "P@10", "latency, batch 1", "latency, batch 8"],
        ["encoder", "fp32", "0.803", "14.2 ms", "101 ms"],
        ["int8 ✓ chosen", "0.802 (−0.001)", "7.10 ms (2.0×)", "44.0 ms (2.3×)"],
        ["fusion", "fp32 ✓ chosen", "0.803", "0.42 ms", "–"],
    ]
    assert page.hints[7][2:] == ["best", "best"]
    assert "Candidates" not in _Page(_render()).texts


def test_the_plot_labels_every_stage_that_has_both_values():
    unmeasured = replace(ROWS[3], stage="not timed", latency_ms={8: 70.0})
    page = _render([*ROWS, unmeasured])
    svg = _Page(page[page.index("<svg") : page.index("</svg>") + 6])
    assert {"teacher", "pruned", "int8", "as served", "P@10"} <= set(svg.texts)
    assert "not timed" not in svg.texts
    assert any("batch 1, ms" in text for text in svg.texts)


def test_without_latency_there_is_no_plot():
    page = _Page(_render([replace(ROWS[0], latency_ms={})]))
    assert "svg" not in page.tags
    assert page.rows[1] == ["teacher", "0.812", "134 M", "11.2 G", "538 MB"]


def test_the_page_refers_to_nothing_outside_itself():
    page = _render(candidates=CANDIDATES, notes=["a note"])
    assert "http" not in page
    assert "@import" not in page
    parsed = _Page(page)
    assert not {"script", "link", "iframe", "img"} & set(parsed.tags)
    for name, value in parsed.attributes:
        if name in ("src", "href", "xlink:href", "data"):
            assert value is not None
            assert value.startswith(("#", "data:"))
        assert "url(" not in (value or "").replace("url(#", "")


def test_colours_follow_the_page():
    page = _render()
    svg = page[page.index("<svg") : page.index("</svg>")]
    assert all(f"stroke: var(--{name})" in svg for name in ("line", "accent"))
    assert "fill: var(--ink)" in svg
    assert not re.search(r"#0[1-9]0", svg)
    assert "prefers-color-scheme: dark" in page


def test_every_text_is_shown_as_it_is():
    rows = [StageRow(EVIL, {EVIL: 0.5}, None, None, None, {1: 2.0}), replace(ROWS[1], quality={EVIL: 0.4})]
    candidates = [Candidate(EVIL, EVIL, {EVIL: 0.5}, {1: 2.0}, False)]
    page = _Page(_render(rows, title=EVIL, machine=EVIL, notes=[EVIL], candidates=candidates))
    assert "script" not in page.tags
    # Twice the title, the machine, two in the plot, two in the first table, three in the second, the note.
    assert sum(text.startswith(EVIL) for text in page.texts) == 11
    assert page.rows[1][0] == EVIL


def test_the_same_measurements_give_the_same_page():
    assert _render(candidates=CANDIDATES) == _render(candidates=CANDIDATES)


def test_values_that_are_not_numbers_count_as_missing():
    rows = [ROWS[0], replace(ROWS[1], quality={"P@10": float("nan")}, latency_ms={1: None, 8: 144.0})]
    page = _Page(_render(rows))
    assert page.rows[2][1] == page.rows[2][5] == "–"
    assert page.hints[1][1] == ""


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (538_000_000, 1_076_000_000, "1.08 GB (0.50×)"),
        (538_000_000, 999, "999 B (538539×)"),
        (538_000_000, 48_600, "48.6 kB (11070×)"),
        (None, 1500, "1.50 kB"),
        (1500, 0, "0 B"),
    ],
)
def test_sizes_are_readable(first, second, expected):
    page = _Page(_render([replace(ROWS[0], bytes=first), replace(ROWS[1], bytes=second)]))
    assert page.rows[2][4] == expected


def test_the_terminal_shows_the_same():
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(*tables([*ROWS, replace(ROWS[0], stage="[red]odd")], title="Stages [of it]"))
    text = console.export_text()
    for figure in (
        "Stages [of it]",
        "[red]odd",
        "183 ms",
        "8.91 ms (20.6×)",
        "12.5 MB (43.0×)",
        "0.801 (−0.011)",
    ):
        assert figure in text
    assert "–" in [line for line in text.splitlines() if "as served" in line][-1]


def test_reports_need_no_torch():
    code = "import sys, trifuse.compression.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
