"""What every script shares: errors as one sentence, and metrics as a table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from trifuse.artifacts import read_manifest
from trifuse.errors import TrifuseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def run(main: Callable[[], None]) -> None:
    """Run a script; an error of the tree ends it with one sentence and its exit code."""
    try:
        main()
    except TrifuseError as error:
        Console(stderr=True).print(f"[bold red]error:[/] {error}", soft_wrap=True, highlight=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


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
