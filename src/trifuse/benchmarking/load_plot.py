"""Load as a picture: latency against throughput, and where the server's time goes, step by step."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from trifuse.benchmarking.server_side import PHASES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    Point = Mapping[str, Any]

LOOPS = {"clients": "closed loop: so many clients", "rate": "open loop: calls a second arrive"}
_COLOURS = {"p50": "#0072b2", "p90": "#009e73", "p99": "#d55e00"}
_PHASE_COLOURS = dict(zip(PHASES, ("#d55e00", "#9aa5b8", "#0072b2", "#56b4e9"), strict=True))
_WIDTH_INCHES, _HEIGHT_INCHES, _DPI = 5.2, 4.2, 110


def load_png(title: str, points: Sequence[Point], steps: Mapping[str, Mapping[str, float]]) -> bytes:
    """Draw p50, p90 and p99 (ms) over answers a second, for each kind of loop that there is, and the steps.

    Points have `kind`, `size`, `per_second` and the percentiles; `steps` has ms of each phase, by step.
    """
    kinds = [kind for kind in LOOPS if any(point["kind"] == kind for point in points)]
    panels = len(kinds) + 1
    figure = Figure((_WIDTH_INCHES * panels, _HEIGHT_INCHES), _DPI, layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for panel, kind in zip(axes, kinds, strict=False):
        _draw_load(panel, [point for point in points if point["kind"] == kind], LOOPS[kind])
    _draw_steps(axes[-1], steps)
    figure.suptitle(title, fontsize=11, parse_math=False)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _draw_load(axes: Axes, points: Sequence[Point], title: str) -> None:
    ordered = sorted(points, key=lambda point: float(point["size"]))
    throughput = [point["per_second"] for point in ordered]
    for name, colour in _COLOURS.items():
        axes.plot(throughput, [point[name] for point in ordered], color=colour, marker="o", label=name)
    for point in ordered:
        place = (point["per_second"], point["p99"])
        axes.annotate(
            f"{point['size']:g}", place, (0, 6), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set_yscale("log")
    for ticks in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        ticks("{x:g}")
    axes.set(xlabel="answers a second", ylabel="latency in ms", title=title)
    axes.grid(color="#dfe3ea", linewidth=0.8)
    axes.legend(frameon=False)


def _draw_steps(axes: Axes, steps: Mapping[str, Mapping[str, float]]) -> None:
    names = list(steps)[::-1]
    left = [0.0] * len(names)
    for phase, colour in _PHASE_COLOURS.items():
        widths = [steps[name][phase] for name in names]
        axes.barh(names, widths, left=left, color=colour, label=phase.replace("_", " "))
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set(xlabel="ms an inference", title="one client: time in each step")
    axes.set_axisbelow(True)
    axes.grid(axis="x", color="#dfe3ea", linewidth=0.8)
    axes.legend(frameon=False, fontsize=8)
