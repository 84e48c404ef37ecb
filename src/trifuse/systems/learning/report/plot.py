"""The pictures of a report: the class over the lesson, and the timeline of a learner."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from trifuse.systems.learning.contract import BEHAVIOURS, LEVELS
from trifuse.systems.learning.report.findings import clock, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from trifuse.systems.learning.report.scores import WindowScore
    from trifuse.systems.learning.report.summary import Individual, Summary

# Okabe and Ito's colours, which most people can tell apart, and a grey for nobody.
COLOURS = dict(
    zip(
        BEHAVIOURS,
        ("#0072b2", "#56b4e9", "#009e73", "#f0e442", "#e69f00", "#d55e00", "#9aa0a6"),
        strict=True,
    )
)
_CURVE, _GRID, _GAP = "#0b3c5d", "#dfe3ea", "#b4bcc8"
_WIDTH_INCHES, _CLASS_INCHES, _LEARNER_INCHES, _DPI = 11.0, 6.4, 2.9, 110


def class_png(summary: Summary) -> bytes:
    """Draw the attention of the class with its quartiles, and the behaviours; gaps are too little data."""
    figure = _figure(_CLASS_INCHES)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1))
    figure.suptitle(summary.lesson, fontsize=12, parse_math=False)
    _draw_attention(above, summary)
    _draw_behaviours(below, summary)
    _times(below, summary.duration_s)
    return _png(figure)


def learner_png(individual: Individual, duration_s: float) -> bytes:
    """Draw the attention of a learner, and a row for every behaviour; hatched is what was not observed."""
    figure = _figure(_LEARNER_INCHES)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.3))
    times_s = [(one.start_s + one.end_s) / 2 for one in individual.windows]
    levels = [float("nan") if one.attention is None else one.attention for one in individual.windows]
    above.plot(times_s, levels, color=_CURVE, linewidth=1.2, marker=".", markersize=2)
    _scale(above)
    _draw_rows(below, individual.windows)
    for axes in (above, below):
        _hatch_unseen(axes, individual.windows)
    _times(below, duration_s)
    return _png(figure)


def _draw_rows(axes: Axes, windows: Sequence[WindowScore]) -> None:
    for row, name in enumerate(BEHAVIOURS):
        shown = [(one.start_s, one.end_s - one.start_s) for one in windows if one.behaviour == name]
        axes.broken_barh(shown, (row - 0.4, 0.8), color=COLOURS[name], linewidth=0)
    axes.set_yticks(range(len(BEHAVIOURS)), [words(name) for name in BEHAVIOURS], fontsize=8)
    axes.set_ylim(len(BEHAVIOURS) - 0.5, -0.5)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _hatch_unseen(axes: Axes, windows: Sequence[WindowScore]) -> None:
    for one in windows:
        if not one.observation:
            _hatch(axes, one.start_s, one.end_s)


def _hatch(axes: Axes, start_s: float, end_s: float) -> None:
    axes.axvspan(start_s, end_s, facecolor="none", edgecolor=_GAP, hatch="////", linewidth=0)


def _draw_attention(axes: Axes, summary: Summary) -> None:
    middles_s = [(one.start_s + one.end_s) / 2 for one in summary.bins]
    nothing = (float("nan"),) * 3
    means, lows, highs = zip(*(one.attention or nothing for one in summary.bins), strict=True)
    axes.fill_between(
        middles_s, lows, highs, color=_CURVE, alpha=0.15, linewidth=0, label="middle half of the class"
    )
    axes.plot(middles_s, means, color=_CURVE, marker="o", markersize=3, label="mean")
    for one in summary.bins:
        if not one.attention:
            _hatch(axes, one.start_s, one.end_s)
    _scale(axes)
    axes.legend(loc="lower left", frameon=False, fontsize=8, ncols=2)


def _draw_behaviours(axes: Axes, summary: Summary) -> None:
    for one in summary.bins:
        middle_s, width_s = (one.start_s + one.end_s) / 2, one.end_s - one.start_s
        if not one.shares:
            _hatch(axes, one.start_s, one.end_s)
            continue
        bottom = 0.0
        for name, share in one.shares.items():
            axes.bar(middle_s, share, width_s * 0.96, bottom=bottom, color=COLOURS[name])
            bottom += share
    handles = [_patch(COLOURS[name], words(name)) for name in BEHAVIOURS]
    if any(not one.shares for one in summary.bins):
        handles.append(_patch("none", "not enough data"))
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of learners' time", fontsize=9)
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=8, frameon=False, fontsize=8
    )


def _patch(colour: str, label: str) -> Patch:
    from matplotlib.patches import Patch

    if colour == "none":
        return Patch(facecolor="none", edgecolor=_GAP, hatch="////", label=label)
    return Patch(color=colour, label=label)


def _scale(axes: Axes) -> None:
    axes.set_ylim(-0.1, len(LEVELS) - 0.9)
    axes.set_yticks(range(len(LEVELS)), LEVELS, fontsize=8)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def _times(axes: Axes, duration_s: float) -> None:
    """Mark whole minutes, at most ten of them."""
    step_s = 60 * math.ceil(duration_s / 600) if duration_s > 120 else 15
    axes.set_xlim(0, max(duration_s, 1.0))
    axes.set_xticks(range(0, int(duration_s) + 1, step_s))
    axes.xaxis.set_major_formatter(lambda value, _: clock(value))


def _figure(height_inches: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH_INCHES, height_inches), dpi=_DPI, layout="constrained")


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
