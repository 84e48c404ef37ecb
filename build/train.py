"""Train a system, or take a checkpoint instead: `python build/train.py SYSTEM --data manifest.jsonl`.

With several processes: `torchrun --nproc-per-node 2 build/train.py SYSTEM --data manifest.jsonl`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trifuse.errors import ConfigurationError
from trifuse.reporting import print_metrics
from trifuse.stages.chain import Build
from trifuse.stages.train import MEMBERS, TrainOptions, adopt, train
from trifuse.systems import PROFILES, available
from trifuse.training.distributed import is_main, run


def main() -> None:
    """Train the system and print what it reached on the validation part."""
    arguments = parse()
    build = Build(arguments.system, arguments.profile, arguments.artifacts, arguments.seed)
    whole = [value for value in arguments.checkpoint if "=" not in value]
    backbones = dict(value.split("=", 1) for value in arguments.checkpoint if "=" in value)
    if whole:
        if len(whole) > 1 or backbones or arguments.data or arguments.epochs:
            raise ConfigurationError(
                "a trained system is taken as it is",
                got=" ".join(arguments.checkpoint),
                expected="one --checkpoint FOLDER, without PART=, --data and --epochs",
            )
        print_metrics(adopt(build, Path(whole[0])))
        return
    options = TrainOptions(arguments.data, arguments.model, backbones, arguments.epochs)
    folder = train(build, options)
    if is_main():
        print_metrics(folder)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=available())
    parser.add_argument("--profile", choices=PROFILES, default="demo")
    parser.add_argument("--data", type=Path, help="the catalogue's manifest.jsonl, or its folder")
    parser.add_argument(
        "--model", choices=MEMBERS, default="teacher", help="which model of the recipe (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=int, help="default: the profile's")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and views (default: 0)")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="[PART=]PATH",
        help="PART=PATH starts a part from a local checkpoint in its hub's format; "
        "PATH alone takes the folder of an earlier `train` stage and does not train",
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
