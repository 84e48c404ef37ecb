"""Publish a system's export as the next version that Triton serves: `python build/publish.py SYSTEM`."""

from __future__ import annotations

import argparse
from pathlib import Path

from trifuse import systems
from trifuse.artifacts import MANIFEST, digest, read_manifest, stage_folder
from trifuse.command_line import run
from trifuse.errors import ArtifactError
from trifuse.serving.repository import publish

_DEFINITION = Path(__file__).resolve().parent.parent / "model_repository"


def main() -> None:
    """Publish the system and print its version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=systems.available())
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--repository", type=Path, help="default: model_repository in --artifacts")
    arguments = parser.parse_args()
    repository = arguments.repository or arguments.artifacts / "model_repository"
    export = stage_folder(arguments.artifacts, arguments.system, "export")
    check_is_current(arguments.system, export)
    contract = systems.contract(arguments.system, read_manifest(export).profile)
    version = publish(export, repository, contract, _DEFINITION)
    print(f"{arguments.system}: version {version} (profile {contract.profile}) is published in {repository}")


def check_is_current(system: str, export: Path) -> None:
    """Compare the export with the training beside it, if there is one. Raises ArtifactError."""
    training = export.with_name("train") / MANIFEST
    if training.is_file() and digest(training) != read_manifest(export).inputs.get("train"):
        raise ArtifactError(
            "the export is older than the training", hint=f"Run: python build/export_onnx.py {system}"
        )


if __name__ == "__main__":
    run(main)
