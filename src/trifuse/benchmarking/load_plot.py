"""Load as a picture: latency against throughput, one line a kind of load."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COLOURS = {"p50": "#0072b2", "p90": "#009e73", "p99": "#d55e00"}
_SIZE_INCHES, _DPI = (9.0, 4.2), 110


def load_png(title: str, points: Sequence[Mapping[str, float]], caption: str) -> bytes:
    """Draw p50, p90 and p99 (ms) over answers a second; every point has these and `per_second`."""
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    ordered = sorted(points, key=lambda point: point["per_second"])
    for name, colour in _COLOURS.items():
        heights = [point[name] for point in ordered]
        axes.plot([point["per_second"] for point in ordered], heights, color=colour, marker="o", label=name)
    axes.set_yscale("log")
    axes.set_xlabel("answers a second")
    axes.set_ylabel("latency in ms")
    axes.grid(color="#dfe3ea", linewidth=0.8)
    axes.legend(frameon=False)
    axes.set_title(f"{title}\n{caption}", fontsize=10, parse_math=False)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
