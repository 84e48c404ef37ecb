"""How many cameras does this machine carry? `python benchmarks/cameras.py FILM --repository FOLDER`.

A recording is played as so many cameras at its own speed, and watched as `clients/watch.py` does, one window
per second and camera. A number is carried if no window was dropped and nine of ten windows were assessed
within a second of being complete. Client and server share this machine, as do decoding and inference.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from trifuse.artifacts import digest, write_file
from trifuse.client.command_line import positive
from trifuse.client.triton import TritonClient
from trifuse.command_line import run
from trifuse.reporting import machine
from trifuse.serving.probe import own_server
from trifuse.serving.server_environment import default_location
from trifuse.serving.versions import published_contract
from trifuse.systems.surveillance.calls import MODEL
from trifuse.systems.surveillance.client import SurveillanceClient
from trifuse.systems.surveillance.watch.capture import CaptureSettings
from trifuse.systems.surveillance.watch.outlets import Outlets, OutletSettings
from trifuse.systems.surveillance.watch.sources import find_sources
from trifuse.systems.surveillance.watch.watcher import Watcher, WatchSettings
from trifuse.systems.surveillance.watch.windows import WindowSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trifuse.contracts import SystemContract

SYSTEM = "surveillance"
_LATEST_S = 1.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

console = Console(stderr=True)


def main() -> None:
    """Try every number of cameras in turn, print the table, and write the figures."""
    options = parse()
    contract = published_contract(options.repository, SYSTEM)
    with own_server(options.repository, contract, default_location()) as server:
        rows = [measure(count, server.grpc_url, contract, options) for count in options.cameras]
    carried = max((row["cameras"] for row in rows if row["carried"]), default=0)
    report = {
        "machine": machine(),
        "profile": contract.profile,
        "film": digest(options.film),
        "seconds": options.seconds,
        "carried": carried,
        "rows": rows,
    }
    Console().print(table(rows))
    Console().print(f"{carried} cameras are carried by {machine()}", highlight=False)
    if options.output:
        write_file(options.output, json.dumps(report, indent=1) + "\n")


def measure(count: int, url: str, contract: SystemContract, options: argparse.Namespace) -> dict[str, Any]:
    """Watch that many cameras for a while: what was dropped, how late answers came, who was busy."""
    with tempfile.TemporaryDirectory() as folder:
        settings = WatchSettings(
            WindowSettings.of(contract.settings, frame_shape(url), stride_s=1.0),
            Path(folder),
            capture=CaptureSettings(real_time=True),
            duration_s=options.seconds,
        )
        sources = find_sources([f"camera{number:02d}={options.film}" for number in range(count)])
        outlets = Outlets(OutletSettings(Path(folder) / "records.jsonl"))
        watcher = Watcher(sources, settings, partial(client, url), outlets)
        began_s, client_s, server_s = time.monotonic(), time.process_time(), server_cpu_s(options.repository)
        with console.status(f"watching {count} cameras"):
            cameras = watcher.run()["cameras"]
        wall_s = time.monotonic() - began_s
    return summed_up(cameras) | {
        "client_cores": (time.process_time() - client_s) / wall_s,
        "server_cores": (server_cpu_s(options.repository) - server_s) / wall_s,
    }


def summed_up(cameras: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Sum up the summaries of all cameras; the latencies are those of the worst one."""
    totals = {name: sum(one[name] for one in cameras.values()) for name in ("windows", "assessed", "dropped")}
    p50_s, p90_s = (max(one[f"latency_{name}_s"] for one in cameras.values()) for name in ("p50", "p90"))
    carried = not totals["dropped"] and p90_s <= _LATEST_S
    return {"cameras": len(cameras), "carried": carried, **totals, "p50_s": p50_s, "p90_s": p90_s}


def frame_shape(url: str) -> tuple[int, int]:
    """Ask the server for the number and size of a window's frames."""
    with client(url) as found:
        return found.frame_shape


@contextlib.contextmanager
def client(url: str) -> Iterator[SurveillanceClient]:
    """Connect to a server for a while."""
    with TritonClient(url) as triton:
        triton.metadata(MODEL)
        yield SurveillanceClient(triton)


def server_cpu_s(repository: Path) -> float:
    """Sum the processor time of the server and its stubs, whose command lines name the repository."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            line = (process / "cmdline").read_bytes()
            if b"triton" in line and bytes(repository.resolve()) in line:
                ticks += sum(map(int, (process / "stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / _TICKS_PER_S


def table(rows: list[dict[str, Any]]) -> Table:
    """Show a line for every number of cameras."""
    columns = ("windows", "dropped", "p50 s", "p90 s", "client cores", "server cores", "carried")
    shown = Table("cameras", *columns, title="one window per second and camera", caption=machine())
    for row in rows:
        figures = (row["p50_s"], row["p90_s"], row["client_cores"], row["server_cores"])
        cells = (row["cameras"], row["windows"], row["dropped"], *(f"{value:.2f}" for value in figures))
        shown.add_row(*map(str, cells), "yes" if row["carried"] else "no")
    return shown


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("film", type=Path, help="a recording with a window for every second of the test")
    parser.add_argument("--repository", type=Path, default=Path("artifacts/model_repository"))
    parser.add_argument("--cameras", type=positive(int), nargs="+", default=[4, 8, 16, 24, 32])
    parser.add_argument("--seconds", type=positive(float), default=30.0, help="default: %(default)s")
    parser.add_argument("--output", type=Path, help="where to write the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
