"""Which instances, threads and delays suit our own server here: `python -m benchmarks.server_settings MODEL`.

The published repository is copied and served with each of them in turn, round after round; ratios are
those of the same round to what is published. `serving/rendering.py` holds what came out best.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.calling import GrpcCaller
from benchmarks.peers.loading import measure
from benchmarks.peers.payloads import ITEMS, find, make_payloads
from google.protobuf import text_format
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tritonclient.grpc.model_config_pb2 import ModelConfig

from trifuse.artifacts import write_file
from trifuse.benchmarking.server_side import server_processes
from trifuse.client import TritonClient
from trifuse.command_line import run
from trifuse.reporting import machine
from trifuse.serving.cores import available_cores
from trifuse.serving.probe import own_server
from trifuse.serving.server_environment import default_location
from trifuse.serving.versions import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.peers.payloads import Payload

    from trifuse.contracts import SystemContract

Change = Callable[[ModelConfig], None]

PUBLISHED = "as published"
CLIENTS = (1, 4, 8)
_WARM_UP_S = 1.0


def main() -> None:
    """Serve with all settings, show what they bring, and write JSON."""
    tried = settings(available_cores())
    options = _options(tried)
    contract, ensemble = find(options.repository, options.model)
    payloads = make_payloads(contract.system, ensemble, options.folder / "data" / contract.system, ITEMS)
    chosen = {name: tried[name] for name in (PUBLISHED, *options.settings)}
    rounds: dict[str, list[dict[int, dict[str, float]]]] = {name: [] for name in chosen}
    steps = [(name, change) for _ in range(options.rounds) for name, change in chosen.items()]
    for name, change in track(steps, options.model, console=Console(stderr=True), transient=True):
        rounds[name].append(_serve(contract, options, change, payloads))
    data = {"model": options.model, "profile": contract.profile, "machine": machine(), "rounds": rounds}
    write_file(options.folder / f"{options.model}.settings.json", json.dumps(data, indent=1) + "\n")
    Console().print(table(options.model, rounds))


def _options(tried: Mapping[str, Change]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--repository", type=Path, default=Path("artifacts/full/model_repository"))
    parser.add_argument("--folder", type=Path, default=Path("artifacts/peers"), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (%(default)s)")
    names = [name for name in tried if name != PUBLISHED]
    parser.add_argument("--settings", nargs="+", choices=names, default=names, help="default: all")
    return parser.parse_args()


def settings(cores: int) -> dict[str, Change]:
    """List what is tried: instances and threads of the parts, instances of the preprocessing, delays."""
    found: dict[str, Change] = {PUBLISHED: lambda _: None}
    kinds = sorted({(1, cores), (cores, 1), (cores, cores), (1, 1)})
    for instances, threads in kinds:
        for readers in (1, 2):
            name = f"parts {instances} x {threads}, preprocessing {readers}"
            found[name] = _instances(instances, threads, readers)
    for delay_us in (500, 2000):
        found[f"delay {delay_us} us"] = _delay(delay_us)
    return found


def _instances(instances: int, threads: int, readers: int) -> Change:
    def change(config: ModelConfig) -> None:
        if config.backend == "onnxruntime":
            config.instance_group[0].count = instances
            config.parameters["intra_op_thread_count"].string_value = str(threads)
        elif config.backend == "python":
            config.instance_group[0].count = readers

    return change


def _delay(delay_us: int) -> Change:
    def change(config: ModelConfig) -> None:
        if config.backend == "onnxruntime":
            config.dynamic_batching.max_queue_delay_microseconds = delay_us

    return change


def _serve(
    contract: SystemContract, options: argparse.Namespace, change: Change, payloads: Sequence[Payload]
) -> dict[int, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "model_repository"
        shutil.copytree(options.repository, repository, symlinks=True)
        for path in repository.glob(f"{contract.system}*/{CONFIG}"):
            _rewrite(path, change)
        with (
            own_server(repository, contract, default_location()) as triton,
            TritonClient(triton.grpc_url) as client,
        ):
            call = GrpcCaller(client, options.model, payloads)
            processes = server_processes(triton.endpoint.http_port)
            return {
                clients: measure(call, clients, options.seconds, _WARM_UP_S, processes) for clients in CLIENTS
            }


def _rewrite(path: Path, change: Change) -> None:
    config = text_format.Parse(path.read_text(encoding="utf-8"), ModelConfig())
    change(config)
    write_file(path, text_format.MessageToString(config))


def table(model: str, rounds: Mapping[str, Sequence[Mapping[int, Mapping[str, float]]]]) -> Table:
    """Show medians, with the ratio to what is published."""
    headings = [f"{clients} clients: p50, a second" for clients in CLIENTS]
    shown = Table("settings", *headings, "MB", title=model, caption=machine())
    for name, found in rounds.items():
        memory = statistics.median(one[CLIENTS[-1]]["memory_mb"] for one in found)
        shown.add_row(name, *_cells(found, rounds[PUBLISHED]), f"{memory:.0f}")
    return shown


def _cells(
    found: Sequence[Mapping[int, Mapping[str, float]]], published: Sequence[Mapping[int, Mapping[str, float]]]
) -> Iterator[str]:
    for clients in CLIENTS:
        rows = [one[clients] for one in found]
        p50, rate = (statistics.median(row[name] for row in rows) for name in ("p50", "per_second"))
        pairs = zip(rows, (one[clients] for one in published), strict=True)
        ratio = statistics.median(row["per_second"] / other["per_second"] for row, other in pairs)
        yield f"{p50:.1f} ms, {rate:.0f} ({ratio:.2f})"


if __name__ == "__main__":
    run(main)
