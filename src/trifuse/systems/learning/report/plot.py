"""The pictures of a report: the class over the lesson, and the timeline of a learner."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from trifuse.systems.learning.contract import BEHAVIOURS, LEVELS
from trifuse.systems.learning.report.summary import clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from trifuse.systems.learning.report.summary import Individual, Summary

# Okabe and Ito's colours, which most people can tell apart, and a grey for nobody.
COLOURS = dict(
    zip(
        BEHAVIOURS,
        ("#0072b2", "#56b4e9", "#009e73", "#f0e442", "#e69f00", "#d55e00", "#9aa0a6"),
        strict=True,
    )
)
_CURVE, _GRID = "#0b3c5d", "#dfe3ea"
_WIDTH_INCHES, _CLASS_INCHES, _LEARNER_INCHES, _DPI = 11.0, 6.4, 1.5, 110


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
    """Draw what a learner did, and the attention as a line; what was not observed stays empty."""
    figure = _figure(_LEARNER_INCHES)
    axes = figure.subplots()
    for one in individual.windows:
        if one.behaviour:
            axes.axvspan(one.start_s, one.end_s, color=COLOURS[one.behaviour], alpha=0.55, linewidth=0)
    times_s = [(one.start_s + one.end_s) / 2 for one in individual.windows]
    levels = [float("nan") if one.attention is None else one.attention for one in individual.windows]
    axes.plot(times_s, levels, color=_CURVE, linewidth=1.2)
    _scale(axes)
    _times(axes, duration_s)
    return _png(figure)


def _draw_attention(axes: Axes, summary: Summary) -> None:
    middles_s = [(one.start_s + one.end_s) / 2 for one in summary.bins]
    nothing = (float("nan"),) * 3
    means, lows, highs = zip(*(one.attention or nothing for one in summary.bins), strict=True)
    axes.fill_between(
        middles_s, lows, highs, color=_CURVE, alpha=0.15, linewidth=0, label="middle half of the class"
    )
    axes.plot(middles_s, means, color=_CURVE, marker="o", markersize=3, label="mean")
    _scale(axes)
    axes.legend(loc="lower left", frameon=False, fontsize=8, ncols=2)


def _draw_behaviours(axes: Axes, summary: Summary) -> None:
    for one in summary.bins:
        middle_s, width_s = (one.start_s + one.end_s) / 2, one.end_s - one.start_s
        if not one.shares:
            axes.bar(middle_s, 1, width_s, facecolor="none", edgecolor=_GRID, hatch="////", linewidth=0)
            continue
        bottom = 0.0
        for name, share in one.shares.items():
            axes.bar(middle_s, share, width_s * 0.96, bottom=bottom, color=COLOURS[name])
            bottom += share
    handles = [_patch(name) for name in BEHAVIOURS]
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of learners' time", fontsize=9)
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=7, frameon=False, fontsize=8
    )


def _patch(name: str) -> object:
    from matplotlib.patches import Patch

    return Patch(color=COLOURS[name], label=name.replace("_", " "))


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
