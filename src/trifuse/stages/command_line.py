"""The command line that the scripts of the later stages share: everything else is in the manifests."""

from __future__ import annotations

import argparse
from pathlib import Path

from trifuse.artifacts import read_manifest, stage_folder
from trifuse.errors import ArtifactError
from trifuse.stages.chain import TRAIN, Build
from trifuse.systems import available


def build_parser(description: str | None) -> argparse.ArgumentParser:
    """Start a command line with the system and the artifact root."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("system", choices=available())
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    return parser


def trained_build(arguments: argparse.Namespace) -> Build:
    """Take up the build whose training is in the artifact root: its profile and seed.

    Raises ArtifactError when nothing was trained, or by an older Trifuse.
    """
    folder = stage_folder(arguments.artifacts, arguments.system, TRAIN)
    trained = read_manifest(folder)
    if "seed" not in trained.details:
        raise ArtifactError(
            f"{folder} does not say what seed it was trained with",
            got="a manifest of an older version",
            hint="Train again with build/train.py",
        )
    return Build(arguments.system, trained.profile, arguments.artifacts, trained.details["seed"])


def parse_build(description: str | None) -> Build:
    """Read the command line of a stage without options of its own."""
    return trained_build(build_parser(description).parse_args())
