"""Does the report on a lesson agree with what was true? `python benchmarks/lesson.py --lesson LESSON`.

Observes a lesson whose manifest tells the truth (`generator.write_lesson` makes one) as `clients/report.py`
does, and compares window by window and along the class's curve. The truth is not used for anything else.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from trifuse.artifacts import digest, write_file
from trifuse.client.triton import TritonClient
from trifuse.command_line import run
from trifuse.reporting import machine
from trifuse.systems.learning.calls import MODEL
from trifuse.systems.learning.report.agreement import agreement
from trifuse.systems.learning.report.scores import read_scores

console = Console()


def main() -> None:
    """Read the scores that a report was made of, compare, print the table and write the figures."""
    options = parse()
    lines = options.lesson.read_text(encoding="utf-8").splitlines()
    truth = {row["learner"]: row["truth"] for row in map(json.loads, lines)}
    with TritonClient(options.url) as triton:
        version = triton.metadata(MODEL).version
    scores = read_scores(options.report / "scores.csv")
    found = agreement(scores, truth, options.bin_s)
    report = {
        "machine": machine(),
        "lesson": digest(options.lesson),
        "versions": {MODEL: version},
        "learners": len(truth),
        "bin_s": options.bin_s,
        "agreement": found,
    }
    write_file(options.output, json.dumps(report, indent=1) + "\n")
    table = Table("figure", "value", title=f"a lesson of {len(truth)} learners", caption=machine())
    for name, value in found.items():
        table.add_row(name.replace("_", " "), f"{value:g}" if name == "windows" else f"{value:.3f}")
    console.print(table)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lesson", type=Path, required=True, help="the lesson.jsonl with the truth")
    parser.add_argument("--report", type=Path, default=Path("artifacts/learning/report"))
    parser.add_argument("--url", metavar="HOST:PORT", help="the server that the report was made with")
    parser.add_argument("--bin-s", type=float, default=60.0)
    parser.add_argument("--output", type=Path, default=Path("artifacts/learning/report/agreement.json"))
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
