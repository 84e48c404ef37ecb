"""What results are shown with: tables of metrics, and the machine they were measured on."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from trifuse.artifacts import read_manifest
from trifuse.serving.cores import available_cores


def machine() -> str:
    """Name the processor and the number of cores that this process may use."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {available_cores()} cores"


def print_metrics(folder: Path) -> None:
    """Print a stage's metrics, a row each."""
    manifest = read_manifest(folder)
    table = Table("metric", "value", title=f"{manifest.system} {manifest.profile}: {manifest.stage}")
    for name, value in _flatten(manifest.metrics):
        table.add_row(name, f"{value:.3f}" if isinstance(value, float) else str(value))
    Console().print(table)


def _flatten(metrics: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in metrics.items():
        rows += _flatten(value, f"{prefix}{name} ") if isinstance(value, dict) else [(prefix + name, value)]
    return rows
