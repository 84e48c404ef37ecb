"""How long a server takes until it answers, and what memory it needs: `python benchmarks/start_up.py`.

The repository is served anew every round. `ready_s` lasts until every model of every system is loaded,
`answering_s` until each ensemble has answered its canary; memory is what the processes have of their own
(USS) then.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from trifuse import systems
from trifuse.artifacts import write_file
from trifuse.benchmarking.server_side import server_processes, taken_by
from trifuse.command_line import run
from trifuse.reporting import machine
from trifuse.serving.canary import run_canaries
from trifuse.serving.embedded import EmbeddedTriton, free_ports
from trifuse.serving.server_environment import default_location
from trifuse.serving.versions import published_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trifuse.contracts import SystemContract


def main() -> None:
    """Start the server so many times, show the medians, and write JSON if a file is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", type=Path, default=Path("artifacts/model_repository"))
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    contracts = list(published(options.repository))
    turns = track(range(options.rounds), "starting", console=Console(stderr=True), transient=True)
    rounds = [start(options.repository, contracts) for _ in turns]
    data = {
        "machine": machine(),
        "systems": {one.system: one.profile for one in contracts},
        "ready_s": statistics.median(one["ready_s"] for one in rounds),
        "answering_s": statistics.median(one["answering_s"] for one in rounds),
        "memory_mb": statistics.median(sum(one["memory_mb"].values()) for one in rounds),
        "rounds": rounds,
    }
    if options.output:
        write_file(options.output, json.dumps(data, indent=1) + "\n")
    Console().print(table(data))


def published(repository: Path) -> Sequence[SystemContract]:
    """List the contracts of what a repository serves."""
    found = {name: published_versions(repository, name) for name in systems.available()}
    return [
        systems.contract(name, bundles[max(bundles)].profile) for name, bundles in found.items() if bundles
    ]


def start(repository: Path, contracts: Sequence[SystemContract]) -> dict[str, Any]:
    """Start a server, ask it once, and stop it."""
    ready_s: list[float] = []

    def answer(running: EmbeddedTriton) -> None:
        ready_s.append(time.perf_counter() - began_s)
        run_canaries(running.grpc_url, contracts)

    http_port, grpc_port, metrics_port = free_ports(3)
    server = EmbeddedTriton(
        repository,
        server_environment=default_location(),
        http_port=http_port,
        grpc_port=grpc_port,
        metrics_port=metrics_port,
        canary=answer,
    )
    began_s = time.perf_counter()
    with server:
        answering_s = time.perf_counter() - began_s
        memory = {name: row["memory_mb"] for name, row in taken_by(server_processes(http_port)).items()}
    return {"ready_s": ready_s[0], "answering_s": answering_s, "memory_mb": memory}


def table(data: dict[str, Any]) -> Table:
    """Show the medians, and the memory of every process in the last round."""
    names = ", ".join(f"{system} ({profile})" for system, profile in data["systems"].items())
    title = f"{names}: ready after {data['ready_s']:.1f} s, answering after {data['answering_s']:.1f} s"
    shown = Table("process", "MB", title=title, caption=data["machine"])
    for name, memory_mb in data["rounds"][-1]["memory_mb"].items():
        shown.add_row(name, f"{memory_mb:.0f}")
    shown.add_row("all", f"{data['memory_mb']:.0f}")
    return shown


if __name__ == "__main__":
    run(main)
