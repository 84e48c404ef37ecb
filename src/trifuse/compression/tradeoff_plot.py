"""The quality–latency plot of a compression report, as SVG that takes its colours from the page."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

# matplotlib writes fixed colours: these stand for the page's properties, which follow its colour scheme.
_INK, _LINE, _ACCENT = "#010203", "#040506", "#070809"
_PROPERTIES = {_INK: "var(--ink)", _LINE: "var(--line)", _ACCENT: "var(--accent)"}
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "trifuse",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.edgecolor": _LINE,
    "grid.color": _LINE,
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_GAP = 11
_PLACES = [(0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0)]


@dataclass(frozen=True)
class Point:
    """A stage with its median latency in milliseconds, above 0, and its quality."""

    label: str
    latency_ms: float
    quality: float


def tradeoff_svg(points: Sequence[Point], latency_label: str, quality_label: str) -> str:
    """Draw quality over latency (logarithmic), a labelled point a stage, with arrows from stage to stage.

    Returns an <svg> element for a page that defines the colours --ink, --line and --accent.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_SETTINGS):
        figure = Figure(figsize=(10.5, 4.4), layout="constrained")
        axes = figure.add_subplot()
        _draw_axes(axes, points, latency_label, quality_label)
        _draw_path(axes, points)
        figure.draw_without_rendering()  # the layout decides where there is room for labels
        _draw_labels(axes, points)
        content = io.StringIO()
        figure.savefig(content, format="svg", transparent=True, metadata=_NO_METADATA)
    return _inline(content.getvalue())


def _draw_axes(axes: Axes, points: Sequence[Point], latency_label: str, quality_label: str) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    latencies = [point.latency_ms for point in points]
    axes.set_xscale("log")
    axes.set_xlim(min(latencies) / 1.6, max(latencies) * 1.6)
    axes.margins(y=0.25)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(latency_label, parse_math=False)
    axes.set_ylabel(quality_label, parse_math=False)
    axes.grid(linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", length=0)


def _draw_path(axes: Axes, points: Sequence[Point]) -> None:
    for start, end in pairwise(points):
        axes.annotate(
            "",
            (end.latency_ms, end.quality),
            (start.latency_ms, start.quality),
            arrowprops={
                "arrowstyle": "-|>,head_length=0.5,head_width=0.25",
                "color": _ACCENT,
                "alpha": 0.55,
                "linewidth": 1.4,
                "shrinkA": 6,
                "shrinkB": 6,
            },
        )
    axes.plot([p.latency_ms for p in points], [p.quality for p in points], "o", color=_ACCENT, markersize=8)


def _draw_labels(axes: Axes, points: Sequence[Point]) -> None:
    """Put each label beside its point where, if possible, it covers neither the path nor another label."""
    from matplotlib.path import Path

    path = Path(axes.transData.transform([(point.latency_ms, point.quality) for point in points]))
    taken: list[Bbox] = []
    for point in points:
        at = (point.latency_ms, point.quality)
        label = axes.annotate(point.label, at, (0, 0), textcoords="offset points", parse_math=False)
        for place in (*_PLACES, _PLACES[0]):
            _place(label, place)
            box = label.get_window_extent()
            free = not path.intersects_bbox(box, filled=False) and not box.count_overlaps(taken)
            if free and axes.bbox.x0 < box.x0 and box.x1 < axes.bbox.x1:
                break
        taken.append(box)


def _place(label: Annotation, place: tuple[int, int]) -> None:
    label.set_position((place[0] * _GAP, place[1] * _GAP))
    label.set_horizontalalignment(("right", "center", "left")[place[0] + 1])
    label.set_verticalalignment(("top", "center", "bottom")[place[1] + 1])


def _inline(document: str) -> str:
    """Reduce an SVG document to an element for HTML, which needs no namespaces, with the page's colours."""
    root, content = document[document.index("<svg") :].split(">", 1)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", root) + ">" + content
    for colour, custom_property in _PROPERTIES.items():
        svg = svg.replace(colour, custom_property)
    return svg
