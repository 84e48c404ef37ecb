"""The whole path of the product system in minutes: data, training, export, publishing, serving, search."""

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

from trifuse.command_line import run
from trifuse.errors import TrifuseError
from trifuse.serving.canary import run_canaries
from trifuse.serving.embedded import EmbeddedTriton, free_ports
from trifuse.serving.repository import published_systems

ROOT = Path(__file__).parents[1]
QUERIES = ("简约白色连衣裙", "simple white dress")
WANTED = {"category": "dress", "colour": "white", "style": "simple"}
# The generated photos are simpler than real ones: they need a part of the profile's epochs.
EPOCHS = 12

console = Console()


def main() -> None:
    """Run every step as its own command, the way a user would type it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    artifacts = parser.parse_args().artifacts
    started = time.monotonic()
    data = artifacts / "product" / "data"
    step("build/generate.py", "product", "--output", data)
    step(
        "build/train.py",
        "product",
        "--profile",
        "demo",
        "--data",
        data,
        "--epochs",
        EPOCHS,
        "--artifacts",
        artifacts,
    )
    step("build/export_onnx.py", "product", "--artifacts", artifacts)
    step("build/publish.py", "product", "--artifacts", artifacts)
    repository = artifacts / "model_repository"
    contracts = [contract for contract, _ in published_systems(repository)]
    http_port, grpc_port, metrics_port = free_ports(3)
    server = EmbeddedTriton(
        repository,
        server_environment=Path(".venv-server"),
        http_port=http_port,
        grpc_port=grpc_port,
        metrics_port=metrics_port,
        canary=lambda running: run_canaries(running.grpc_url, contracts),
        log_path=artifacts / "tritonserver.log",
    )
    with server:
        show_results(server.grpc_url, data / "manifest.jsonl", artifacts)
    console.print(f"\n[bold green]Done in {time.monotonic() - started:.0f} s.[/] Serve it: make serve")


def show_results(url: str, manifest: Path, artifacts: Path) -> None:
    """Search in both languages, count the right answers, and measure the latency."""
    for number, query in enumerate(QUERIES, 1):
        sheet = artifacts / "product" / "search" / f"demo-{number}.png"
        search: list[object] = [
            "clients/search.py",
            query,
            "--catalog",
            manifest,
            "--split",
            "validation",
            "--url",
            url,
            "--output",
            sheet,
        ]
        step(*search)
        top = answer(*search)["results"][:5]
        right = sum(all(hit["attributes"][name] == value for name, value in WANTED.items()) for hit in top)
        console.print(f"P@5 of {query}: {right} of 5 are {' '.join(reversed(WANTED.values()))}es")
    photo = top[0]["path"]
    step("clients/match.py", photo, QUERIES[0], "--url", url)
    step("benchmarks/quality.py", "--data", manifest, "--url", url)
    step("benchmarks/latency.py", "product", "--image", photo, "--text", QUERIES[0], "--url", url)


def step(*command: object) -> None:
    """Show and run one of the project's commands. Raises TrifuseError when it fails."""
    arguments = list(map(str, command))
    console.print(f"\n[bold cyan]$ python {shlex.join(arguments)}[/]", soft_wrap=True, highlight=False)
    status = subprocess.run([sys.executable, *arguments], cwd=ROOT, check=False).returncode  # noqa: S603
    if status:
        raise TrifuseError(f"{arguments[0]} ended with status {status}", hint="Its message above says why")


def answer(*command: object) -> Any:
    """Run one of the project's clients and read its JSON answer."""
    arguments = [sys.executable, *map(str, command), "--json"]
    return json.loads(subprocess.check_output(arguments, cwd=ROOT))  # noqa: S603


if __name__ == "__main__":
    run(main)
