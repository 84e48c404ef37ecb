"""The whole path of a system in minutes: data, training, export, publishing, serving, answers."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from trifuse import systems
from trifuse.artifacts import stage_folder
from trifuse.catalog import find_manifest
from trifuse.command_line import run
from trifuse.errors import TrifuseError
from trifuse.serving.probe import own_server
from trifuse.serving.server_environment import default_location, inspect

console = Console()


def main() -> None:
    """Run every step as its own command, the way a user would type it in the repository's root."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=systems.available())
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    options = parser.parse_args()
    # What serving lacks is better known before the training than after it.
    inspect(default_location())
    started = time.monotonic()
    demo = systems.component(options.system, "demo")
    data = stage_folder(options.artifacts, options.system, "data")
    to_artifacts = (options.system, "--artifacts", options.artifacts)
    step("build/generate.py", options.system, "--output", data)
    step("build/train.py", *to_artifacts, "--data", data, "--model", "student", "--epochs", demo.EPOCHS)
    step("build/export_onnx.py", *to_artifacts)
    step("build/publish.py", *to_artifacts)
    contract = systems.contract(options.system, "demo")
    repository, log = options.artifacts / "model_repository", options.artifacts / "tritonserver.log"
    with own_server(repository, contract, default_location(), log) as server:
        folder = stage_folder(options.artifacts, options.system, "search")
        findings = demo.show(step, answer, server.grpc_url, find_manifest(data), repository, folder)
    console.print("", *findings, sep="\n", highlight=False)
    console.print(f"[bold green]Done in {time.monotonic() - started:.0f} s.[/] Serve it with: make serve")


def step(*command: object) -> None:
    """Show and run one of the project's commands. Raises TrifuseError when it fails."""
    arguments = list(map(str, command))
    console.print(f"\n[bold cyan]$ python {shlex.join(arguments)}[/]", soft_wrap=True, highlight=False)
    status = subprocess.run([sys.executable, *arguments], check=False).returncode  # noqa: S603
    if status:
        raise TrifuseError(f"{arguments[0]} ended with status {status}", hint="Its message above says why")


def answer(*command: object) -> Any:
    """Run one of the project's clients and read its JSON answer."""
    arguments = [sys.executable, *map(str, command), "--json"]
    return json.loads(subprocess.check_output(arguments))  # noqa: S603


if __name__ == "__main__":
    run(main)
