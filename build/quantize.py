"""Choose every part's fastest variant that keeps the quality: `python build/quantize.py SYSTEM`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from trifuse.artifacts import read_manifest
from trifuse.command_line import run
from trifuse.stages.command_line import parse_build
from trifuse.stages.quantize import BATCHES, quantize


def main() -> None:
    """Quantise and print all candidates, the chosen ones marked."""
    details = read_manifest(quantize(parse_build(__doc__))).details
    table = Table("part", "variant", *(f"batch {batch} ms" for batch in BATCHES), "MB", "chosen")
    for part, candidates in details["candidates"].items():
        for variant, measured in candidates.items():
            latencies = [f"{measured['latency_ms'][str(batch)]:.2f}" for batch in BATCHES]
            chosen = "✓" if details["choice"][part] == variant else ""
            table.add_row(part, variant, *latencies, f"{measured['bytes'] / 1e6:.2f}", chosen)
    Console().print(table)


if __name__ == "__main__":
    run(main)
