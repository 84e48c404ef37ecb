"""Does compression pay? Several seeds of the build chain, with what each step is compared with.

`python benchmarks/compression_study.py SYSTEM --profile demo --data DATA --seeds 0 1 2`. Everything that is
done is kept, so that a study that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from trifuse.artifacts import write_file
from trifuse.command_line import run
from trifuse.stages import ablations, train
from trifuse.stages.chain import TRAIN, Build
from trifuse.stages.pipeline import steps
from trifuse.stages.study import summarise, tables
from trifuse.stages.train import TrainOptions
from trifuse.systems import PROFILES, available

_DEFINITION = Path(__file__).resolve().parent.parent / "model_repository"

console = Console()


def main() -> None:
    """Run what is missing, then print the comparison and write it as JSON."""
    arguments = parse()
    builds = []
    for seed in arguments.seeds:
        build = Build(arguments.system, arguments.profile, arguments.artifacts / f"seed-{seed}", seed)
        alone = Build(arguments.system, arguments.profile, build.artifacts / "alone", seed)
        run_seed(build, alone, arguments.data)
        builds.append((build, alone))
    summary = summarise(builds)
    if arguments.output:
        write_file(arguments.output, json.dumps(summary, indent=1) + "\n")
    for table in tables(summary):
        console.print(table)


def run_seed(build: Build, alone: Build, data: Path) -> None:
    """Run one seed's chain, its student without a teacher, and the pruned sizes trained from scratch."""
    for step in steps(build, TrainOptions(data), build.artifacts / "model_repository", _DEFINITION):
        if not step.is_done():
            console.print(f"[bold cyan]▸ seed {build.seed}: {step.name}[/]")
            step.run()
    without_teacher = TrainOptions(data, member="student")
    if not alone.is_current(TRAIN, train.inputs(alone, without_teacher)):
        console.print(f"[bold cyan]▸ seed {build.seed}: student without a teacher[/]")
        train.train(alone, without_teacher)
    if not build.is_current(ablations.SAME_SIZE, ablations.same_size_inputs(build)):
        console.print(f"[bold cyan]▸ seed {build.seed}: the pruned sizes from scratch[/]")
        ablations.same_size(build)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=available())
    parser.add_argument("--profile", choices=PROFILES, default="demo")
    parser.add_argument("--data", type=Path, required=True, help="the data's manifest.jsonl, or its folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts/study"))
    parser.add_argument("--output", type=Path, help="where to write the summary as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
