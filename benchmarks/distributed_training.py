"""Does training with several processes reach the quality of one, and how much faster?

`python benchmarks/distributed_training.py SYSTEM --data DATA --epochs 10` trains the student alone, with the
same batch and seed, by one process with one thread, by one with two, and by two with one thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trifuse.artifacts import read_manifest, stage_folder, write_file
from trifuse.command_line import run
from trifuse.errors import TrifuseError
from trifuse.reporting import machine
from trifuse.systems import PROFILES, available

_TRAIN = Path(__file__).resolve().parent.parent / "build" / "train.py"
_SETUPS = ({"processes": 1, "threads": 1}, {"processes": 1, "threads": 2}, {"processes": 2, "threads": 1})


def main() -> None:
    """Run the setups one after the other, print what they reached, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=available())
    parser.add_argument("--profile", choices=PROFILES, default="demo")
    parser.add_argument("--data", type=Path, required=True, help="the data's manifest.jsonl, or its folder")
    parser.add_argument("--epochs", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--output", type=Path, help="where to write the figures as JSON")
    arguments = parser.parse_args()
    found = [setup | measure(arguments, **setup) for setup in _SETUPS]
    Console().print(table(found))
    if arguments.output:
        summary = {
            "system": arguments.system,
            "epochs": arguments.epochs,
            "machine": machine(),
            "runs": found,
        }
        write_file(arguments.output, json.dumps(summary, indent=1) + "\n")


def measure(arguments: argparse.Namespace, processes: int, threads: int) -> dict[str, Any]:
    """Train in a folder of its own. Raises TrifuseError when the training fails."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        options = {"data": arguments.data, "profile": arguments.profile, "model": "student"}
        options |= {"epochs": arguments.epochs, "artifacts": folder}
        given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        command = [sys.executable, *launcher, str(_TRAIN), arguments.system, *given]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        status = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603
        if status:
            raise TrifuseError(f"the training ended with status {status}", hint="Its message above says why")
        manifest = read_manifest(stage_folder(Path(folder), arguments.system, "train"))
        return {"steps_per_s": _steps_per_s(Path(folder)), **manifest.metrics}


def _steps_per_s(artifacts: Path) -> float:
    """Read the rate off the training's log, from its first entry to its last."""
    (log,) = (path.parent for path in artifacts.rglob("events.out.tfevents.*"))
    events = EventAccumulator(str(log)).Reload()
    losses = events.Scalars(next(tag for tag in events.Tags()["scalars"] if tag.startswith("loss/")))
    first, last = losses[0], losses[-1]
    return float((last.step - first.step) / (last.wall_time - first.wall_time))


def table(found: list[dict[str, Any]]) -> Table:
    """Show the speed, relative to one thread, and the quality on the validation part."""
    metrics = list(found[0]["validation"])
    shown = Table("processes", "threads each", "steps/s", *metrics, caption=machine())
    for setup in found:
        speed = f"{setup['steps_per_s']:.2f} ({setup['steps_per_s'] / found[0]['steps_per_s']:.2f}×)"
        quality = (f"{setup['validation'][name]:.3f}" for name in metrics)
        shown.add_row(str(setup["processes"]), str(setup["threads"]), speed, *quality)
    return shown


if __name__ == "__main__":
    run(main)
