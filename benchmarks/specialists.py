"""What does a missing modality cost against a model that never had it? `benchmarks/specialists.py SYSTEM`.

Trains the recipe's student on all modalities and, from the same seed and for as many epochs, once more for
every modality with that one taken out of all data, and compares both where it is missing. For systems that
look at windows of video, sound and text.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.table import Table

from trifuse import systems
from trifuse.artifacts import digest, write_file
from trifuse.clip_contract import SENSES
from trifuse.command_line import run
from trifuse.errors import ConfigurationError
from trifuse.reporting import machine
from trifuse.stages.chain import Build, digest_of, fit, require_data
from trifuse.training.clips.bench import ClipBench

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trifuse.training.workbench import Measured

EVERYTHING = "everything"

console = Console()


def main() -> None:
    """Train, compare, print the table and write the report."""
    options = parse()
    data = require_data(options.data)
    build = Build(options.system, options.profile, options.artifacts, options.seed)
    taken = [(), *((sense,) for sense in options.without)]
    measured = {name(senses): trained(build, data, senses, options.epochs) for senses in taken}
    subsets = measured[EVERYTHING].report["subsets"]
    rows = []
    for senses in taken[1:]:
        left = " + ".join(sense for sense in SENSES if sense not in senses)
        own = measured[name(senses)].report["subsets"][left]
        for metric, value in subsets[left].items():
            rows.append({"without": senses[0], "metric": metric, "all": value, "specialist": own[metric]})
    report = {
        "machine": machine(),
        "system": options.system,
        "profile": options.profile,
        "data": digest(data),
        "epochs": options.epochs or build.recipe.student.training.epochs,
        "everything": subsets,
        "missing": rows,
    }
    write_file(options.output, json.dumps(report, indent=1) + "\n")
    console.print(table(report))


def name(senses: Sequence[str]) -> str:
    """Name a training by what it had to do without."""
    return f"no {senses[0]}" if senses else EVERYTHING


def trained(build: Build, data: Path, senses: Sequence[str], epochs: int | None) -> Measured:
    """Train the student without some senses and measure it; what was measured before is read."""
    member = build.recipe.student
    training = replace(member.training, epochs=epochs or member.training.epochs)
    torch.manual_seed(build.seed)
    teacher = replace(member, text=replace(member.text, vocab_size=build.recipe.teacher.text.vocab_size))
    new = build.component("training").new_model(build.contract, build.recipe, teacher, data, backbones={})
    bench: Any = build.workbench(data, new.assets)
    if not isinstance(bench, ClipBench):
        raise ConfigurationError("the system has no windows", got=build.system, expected="video, sound, text")
    take_out(bench, senses)
    task: Any = bench.task(new.model)
    console.print(f"[bold cyan]▸ {name(senses)}[/]")
    fit(build, f"specialist-{name(senses)}", task, training, digest_of([data, list(senses), build.seed]))
    task.calibrate(new.model)
    measured: Measured = bench.measure(new.model)
    return measured


def take_out(bench: ClipBench, senses: Sequence[str]) -> None:
    """Mark senses as missing in all data of a workbench, and what stands for them as unknown."""
    gone = [SENSES.index(sense) for sense in senses]
    for part in ("train", "dev", "validation"):
        clips = getattr(bench, part)
        present = clips.present.clone()
        present[:, gone] = 0
        # The workbench keeps what it has loaded: what it has from now on is this.
        vars(bench)[part] = replace(clips, present=present)


def table(report: Mapping[str, Any]) -> Table:
    """Show a line for every modality that is missing, and every metric."""
    caption = f"{report['profile']} student, {report['epochs']} epochs each; {report['machine']}"
    headings = ("missing", "metric", "trained on all", "trained without", "difference")
    shown = Table(*headings, title=report["system"], caption=caption)
    for row in report["missing"]:
        both = (row["all"], row["specialist"])
        difference = f"{row['all'] - row['specialist']:+.3f}"
        shown.add_row(row["without"], row["metric"], *(f"{value:.3f}" for value in both), difference)
    return shown


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=systems.available())
    parser.add_argument("--data", type=Path, required=True, help="the manifest.jsonl, or its folder")
    parser.add_argument("--profile", choices=systems.PROFILES, default="demo")
    parser.add_argument("--without", choices=SENSES, nargs="+", default=["audio", "text"])
    parser.add_argument("--epochs", type=int, help="default: the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts/specialists"))
    parser.add_argument("--output", type=Path, default=Path("artifacts/specialists/report.json"))
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
