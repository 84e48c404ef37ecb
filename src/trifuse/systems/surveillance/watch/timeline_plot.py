"""One camera's time as a picture: what was scored, told and missed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from trifuse.systems.surveillance.watch.history import History

_SCORE, _INCIDENT, _SILENCE, _GRID = "#2f6fde", "#d94a2b", "#8a94a6", "#dfe3ea"
_ROW_INCHES, _HEAD_INCHES, _WIDTH_INCHES, _DPI = 0.55, 0.9, 11.0, 110


def timeline_png(title: str, history: History, events: Sequence[str], end_s: float) -> bytes:
    """Draw a row an event: scores as an area, the threshold dashed, incidents in red, silences hatched."""
    from matplotlib.figure import Figure

    height = _HEAD_INCHES + _ROW_INCHES * len(events)
    figure = Figure(figsize=(_WIDTH_INCHES, height), dpi=_DPI, layout="constrained")
    rows = figure.subplots(len(events), sharex=True, squeeze=False)[:, 0]
    figure.suptitle(title, fontsize=11, parse_math=False)
    for axes, event in zip(rows, events, strict=True):
        _draw_row(axes, history, event, end_s)
    rows[-1].xaxis.set_major_formatter(lambda value, _: clock(value))
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def clock(time_s: float) -> str:
    """Write a media time as h:mm:ss."""
    minutes, seconds = divmod(round(max(0.0, time_s)), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _draw_row(axes: Axes, history: History, event: str, end_s: float) -> None:
    points = list(history.points)
    times_s = [point.end_s for point in points]
    axes.fill_between(times_s, [point.scores.get(event, 0.0) for point in points], color=_SCORE, alpha=0.7)
    if event in history.thresholds:
        axes.axhline(history.thresholds[event], color=_SCORE, linewidth=0.8, linestyle="--")
    for incident in list(history.incidents.values()):
        if incident.alert.event == event:
            axes.axvspan(
                incident.alert.started_s, incident.alert.until_s, color=_INCIDENT, alpha=0.25, linewidth=0
            )
            axes.axvline(incident.told_s, color=_INCIDENT, linewidth=1.4)
    for silence in list(history.silences):
        last_s = end_s if silence.end_s is None else silence.end_s
        axes.axvspan(silence.start_s, last_s, facecolor="none", edgecolor=_SILENCE, hatch="////", linewidth=0)
    axes.set_xlim(0, max(end_s, 1.0))
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 1], ["", ""])
    axes.set_ylabel(event.replace("_", "\n"), rotation=0, ha="right", va="center", fontsize=9)
    axes.grid(axis="x", color=_GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
