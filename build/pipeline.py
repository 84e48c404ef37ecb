"""Build a system from data to a published version: `python build/pipeline.py SYSTEM`.

Trains, distils, prunes, exports, quantises, publishes and measures; skips what is done and up to date.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.console import Console

from trifuse.command_line import run
from trifuse.compression.report import tables
from trifuse.serving.server_environment import default_location, inspect
from trifuse.stages.chain import Build
from trifuse.stages.pipeline import steps
from trifuse.stages.report import PAGE, REPORT, read_rows, title
from trifuse.stages.train import TrainOptions
from trifuse.systems import PROFILES, available

_DEFINITION = Path(__file__).resolve().parent.parent / "model_repository"

console = Console()


def main() -> None:
    """Run the steps that are not done, then print the before → after table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=available())
    parser.add_argument("--profile", choices=PROFILES, default="demo")
    parser.add_argument(
        "--data", type=Path, help="the data's manifest.jsonl, or its folder (default: data that is generated)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    arguments = parser.parse_args()
    # What serving lacks is better known before the training than after it.
    inspect(default_location())
    build = Build(arguments.system, arguments.profile, arguments.artifacts, arguments.seed)
    repository = arguments.artifacts / "model_repository"
    data = arguments.data or generated(build)
    for step in steps(build, TrainOptions(data), repository, _DEFINITION):
        if step.is_done():
            console.print(f"[green]✓[/] {step.name} is up to date")
            continue
        console.print(f"[bold cyan]▸ {step.name}[/]")
        started = time.monotonic()
        step.run()
        console.print(f"[green]✓[/] {step.name} in {time.monotonic() - started:.0f} s")
    folder = build.folder(REPORT)
    console.print(*tables(read_rows(folder), title=title(build)))
    console.print(f"Plot and details: {folder / PAGE}")


def generated(build: Build) -> Path:
    """Generate the system's own data; what is there already is kept."""
    generator = build.component("generator")
    manifest: Path = generator.generate(build.folder("data"), items=generator.DEFAULT_ITEMS, seed=build.seed)
    return manifest


if __name__ == "__main__":
    run(main)
