"""Tables of what a stage reached, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from trifuse.artifacts import read_manifest

if TYPE_CHECKING:
    from pathlib import Path


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
