"""What the `full` recipe's compression brings in latency, MACs and bytes, with random weights.

`python benchmarks/compression_full_size.py SYSTEM`. Quality is not measured: that of the same shrink is in
the study of the `demo` profile.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from trifuse.artifacts import write_file
from trifuse.command_line import run
from trifuse.compression.report import tables
from trifuse.reporting import machine
from trifuse.stages.chain import Build
from trifuse.stages.full_size import measure_full_size
from trifuse.stages.quantize import BATCHES
from trifuse.systems import available


def main() -> None:
    """Measure, print the stages and the candidates, and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=available())
    parser.add_argument("--output", type=Path, help="where to write the figures as JSON")
    arguments = parser.parse_args()
    rows, candidates, parts = measure_full_size(Build(arguments.system, "full", Path("artifacts")))
    console = Console()
    console.print(*tables(rows, title=f"{arguments.system} full, random weights"))
    tried = Table("part", "variant", *(f"batch {batch} ms" for batch in BATCHES), "chosen", caption=machine())
    for candidate in candidates:
        latencies = (f"{candidate.latency_ms[batch]:.2f}" for batch in BATCHES)
        tried.add_row(candidate.part, candidate.variant, *latencies, "✓" if candidate.chosen else "")
    console.print(tried)
    if arguments.output:
        content = {
            "system": arguments.system,
            "machine": machine(),
            "rows": [asdict(row) for row in rows],
            "candidates": [asdict(candidate) for candidate in candidates],
            "parts_ms": parts,
        }
        write_file(arguments.output, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    run(main)
