"""Train a system, or take a checkpoint instead: `python build/train.py SYSTEM --data manifest.jsonl`."""

from __future__ import annotations

import argparse
from pathlib import Path

from trifuse.command_line import run
from trifuse.errors import ConfigurationError
from trifuse.reporting import print_metrics
from trifuse.systems import PROFILES, available
from trifuse.training import stage


def main() -> None:
    """Train the system and print what it reached on the validation part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=available())
    parser.add_argument("--profile", choices=PROFILES, default="demo")
    parser.add_argument("--data", type=Path, help="the catalogue's manifest.jsonl, or its folder")
    parser.add_argument("--epochs", type=int, help="default: the profile's")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="[PART=]PATH",
        help="PART=PATH starts a part from a local checkpoint in its hub's format; "
        "PATH alone takes the folder of an earlier `train` stage and does not train",
    )
    arguments = parser.parse_args()
    whole = [value for value in arguments.checkpoint if "=" not in value]
    backbones = dict(value.split("=", 1) for value in arguments.checkpoint if "=" in value)
    if whole and (len(whole) > 1 or backbones or arguments.data or arguments.epochs):
        raise ConfigurationError(
            "a trained system is taken as it is",
            got=" ".join(arguments.checkpoint),
            expected="one --checkpoint FOLDER, without PART=, --data and --epochs",
        )
    if whole:
        folder = stage.adopt(arguments.system, arguments.profile, Path(whole[0]), arguments.artifacts)
    elif arguments.data is None:
        raise ConfigurationError(
            "there is nothing to train on", hint="Pass --data MANIFEST or --checkpoint PATH"
        )
    else:
        manifest = arguments.data / "manifest.jsonl" if arguments.data.is_dir() else arguments.data
        folder = stage.train(
            arguments.system,
            arguments.profile,
            manifest,
            arguments.artifacts,
            backbones=backbones,
            epochs=arguments.epochs,
        )
    print_metrics(folder)


if __name__ == "__main__":
    run(main)
