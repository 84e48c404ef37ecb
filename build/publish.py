"""Publish a system's export as the next version that Triton serves: `python build/publish.py SYSTEM`."""

from __future__ import annotations

import argparse
import contextlib
from functools import partial
from pathlib import Path

from trifuse import systems
from trifuse.artifacts import MANIFEST, digest, read_manifest, stage_folder
from trifuse.command_line import run
from trifuse.errors import ArtifactError
from trifuse.serving.live import NOT_TOLD, LiveServer
from trifuse.serving.probe import probe
from trifuse.serving.repository import publish
from trifuse.serving.server_environment import default_location

_DEFINITION = Path(__file__).resolve().parent.parent / "model_repository"


def main() -> None:
    """Try the system in a server of its own, publish it, and print its version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=systems.available())
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--repository", type=Path, help="default: model_repository in --artifacts")
    parser.add_argument(
        "--url", metavar="HOST:PORT", help="the gRPC address of a running server that shall load it now"
    )
    arguments = parser.parse_args()
    repository = arguments.repository or arguments.artifacts / "model_repository"
    stage = stage_to_publish(arguments.system, arguments.artifacts)
    contract = systems.contract(arguments.system, read_manifest(stage).profile)
    try_it = partial(probe, contract=contract, server_environment=default_location())
    with LiveServer(arguments.url) if arguments.url else contextlib.nullcontext() as server:
        version = publish(stage, repository, contract, _DEFINITION, probe=try_it, server=server)
    print(f"{arguments.system}: version {version} (profile {contract.profile}) is published in {repository}")
    print(f"The server at {arguments.url} has loaded it." if arguments.url else NOT_TOLD)


def stage_to_publish(system: str, artifacts: Path) -> Path:
    """Choose the stage whose folder is published. Raises ArtifactError when it is out of date."""
    export = stage_folder(artifacts, system, "export")
    check_is_current(system, export)
    return export


def check_is_current(system: str, export: Path) -> None:
    """Compare the export with the training beside it, if there is one. Raises ArtifactError."""
    training = export.with_name("train") / MANIFEST
    if training.is_file() and digest(training) != read_manifest(export).inputs.get("train"):
        raise ArtifactError(
            "the export is older than the training", hint=f"Run: python build/export_onnx.py {system}"
        )


if __name__ == "__main__":
    run(main)
