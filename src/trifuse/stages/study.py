"""Several seeds of a build summed up: what each stage costs, and what would be without it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from trifuse.artifacts import read_manifest
from trifuse.reporting import machine
from trifuse.stages.ablations import SAME_SIZE
from trifuse.stages.chain import DISTILL, PRUNE, QUANTIZE, TRAIN, Build
from trifuse.stages.report import LABELS, REPORT, read_rows
from trifuse.training.bootstrap import paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

ALONE = "alone"
_COMPARISONS = {
    "student − teacher": (DISTILL, TRAIN),
    "pruned − teacher": (PRUNE, TRAIN),
    "quantised − teacher": (QUANTIZE, TRAIN),
    "student with − without a teacher": (DISTILL, ALONE),
    "pruned − same size from scratch": (PRUNE, SAME_SIZE),
}


def summarise(builds: Sequence[tuple[Build, Build]]) -> dict[str, Any]:
    """Compare the stages of several seeds; each pair is a build and its student without a teacher.

    Differences are paired by query and have 95 % intervals from a bootstrap over seeds and queries.
    """
    folders = {stage: [build.folder(stage) for build, _ in builds] for stage in (*LABELS, SAME_SIZE)} | {
        ALONE: [alone.folder(TRAIN) for _, alone in builds]
    }
    metrics = list(read_manifest(folders[TRAIN][0]).metrics["validation"])
    return {
        "system": builds[0][0].system,
        "profile": builds[0][0].profile,
        "seeds": [build.seed for build, _ in builds],
        "machine": machine(),
        "architectures": {
            name: asdict(getattr(builds[0][0].recipe, name)) for name in ("teacher", "student")
        },
        "quality": {stage: _quality(found) for stage, found in folders.items()},
        "differences": {
            name: {metric: _difference(folders[after], folders[before], metric) for metric in metrics}
            for name, (after, before) in _COMPARISONS.items()
        },
        "choices": [read_manifest(folder).details["choice"] for folder in folders[QUANTIZE]],
        "reports": [[asdict(row) for row in read_rows(build.folder(REPORT))] for build, _ in builds],
    }


def _quality(folders: Iterable[Path]) -> dict[str, dict[str, float]]:
    found = [read_manifest(folder).metrics["validation"] for folder in folders]
    return {
        metric: {
            "mean": float(np.mean([metrics[metric] for metrics in found])),
            "sd": float(np.std([metrics[metric] for metrics in found], ddof=1)) if len(found) > 1 else 0.0,
        }
        for metric in found[0]
    }


def _difference(after: Sequence[Path], before: Sequence[Path], metric: str) -> dict[str, float]:
    first, second = (
        np.array([read_manifest(folder).details["queries"][metric] for folder in folders])
        for folders in (after, before)
    )
    return asdict(paired_bootstrap(first - second))


def tables(summary: dict[str, Any]) -> list[Table]:
    """Show the stages' quality (mean ± standard deviation), the differences, and the latencies."""
    metrics = list(summary["quality"][TRAIN])
    seeds = len(summary["seeds"])
    quality = Table("model", *metrics, title=f"validation quality, {seeds} seeds, mean ± sd")
    for stage, found in summary["quality"].items():
        label = LABELS.get(stage, {ALONE: "student without a teacher"}.get(stage, "same size from scratch"))
        quality.add_row(label, *(f"{found[name]['mean']:.3f} ± {found[name]['sd']:.3f}" for name in metrics))
    differences = Table(
        "difference", *metrics, title="paired, 95 % bootstrap intervals over seeds and queries"
    )
    for name, found in summary["differences"].items():
        differences.add_row(name, *map(_interval, found.values()))
    return [quality, differences, _latencies(summary)]


def _interval(found: dict[str, float]) -> str:
    return f"{found['mean']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"


def _latencies(summary: dict[str, Any]) -> Table:
    batches = list(summary["reports"][0][0]["latency_ms"])
    headings = (f"batch {batch}, ms" for batch in batches)
    shown = Table("model", *headings, title="median latency, mean over the seeds", caption=summary["machine"])
    first = [row["latency_ms"] for row in next(zip(*summary["reports"], strict=True))]
    for rows in zip(*summary["reports"], strict=True):
        cells = []
        for batch in batches:
            ratios = [
                teacher[batch] / row["latency_ms"][batch] for teacher, row in zip(first, rows, strict=True)
            ]
            mean = np.mean([row["latency_ms"][batch] for row in rows])
            cells.append(f"{mean:.2f} ({np.mean(ratios):.1f}×)")
        shown.add_row(rows[0]["stage"], *cells)
    return shown
