"""Which workers, threads and batches suit the peers here: `python -m benchmarks.peers.tuning MODEL`.

Every peer is started alone with each of them; what answers the most calls a second is kept for
`benchmarks.peers.run`, which takes it from the folder.
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import environments
from benchmarks.peers.calling import HttpCaller
from benchmarks.peers.lines import PEERS
from benchmarks.peers.loading import measure
from benchmarks.peers.payloads import ITEMS, find, make_payloads
from benchmarks.peers.running import RunningPeer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from trifuse.artifacts import write_file
from trifuse.command_line import run
from trifuse.reporting import machine
from trifuse.serving.cores import available_cores

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.peers.lines import Peer
    from benchmarks.peers.payloads import Payload

_CLIENTS = (1, 8)
_WARM_UP_S = 1.0


def main() -> None:
    """Try all settings, show what they bring, and keep the best."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--repository", type=Path, default=Path("artifacts/full/model_repository"))
    parser.add_argument("--folder", type=Path, default=Path("artifacts/peers"), help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="of each measurement, default: %(default)s"
    )
    options = parser.parse_args()
    contract, ensemble = find(options.repository, options.model)
    payloads = make_payloads(contract.system, ensemble, options.folder / "data" / contract.system, ITEMS)
    candidates = [candidate for peer in PEERS if not peer.slow for candidate in settings(peer)]
    table = Table("server", "workers", "threads", "batch", "p50 ms at 1", "a second at 8", caption=machine())
    tried: list[tuple[Peer, float]] = []
    for peer in track(candidates, "tuning", console=Console(stderr=True), transient=True):
        environments.prepare(peer, options.folder)
        alone, crowd = _try(peer, options, payloads)
        tried.append((peer, crowd["per_second"]))
        numbers = map(str, (peer.workers, peer.threads, peer.max_batch))
        table.add_row(peer.title, *numbers, f"{alone['p50']:.1f}", f"{crowd['per_second']:.1f}")
    write_file(_path(options.model, options.folder), json.dumps(best(tried), indent=1) + "\n")
    Console().print(table)


def settings(peer: Peer) -> Iterator[Peer]:
    """List a peer with workers and threads that fill the cores once or twice, with batches and without."""
    cores = available_cores()
    kinds = sorted({(1, cores), (cores, 1), (cores, cores)})
    for (workers, threads), max_batch in itertools.product(kinds, sorted({1, peer.max_batch})):
        yield replace(peer, workers=workers, threads=threads, max_batch=max_batch)


def best(tried: Sequence[tuple[Peer, float]]) -> dict[str, dict[str, int]]:
    """Choose the settings of every peer, by name, with the highest figure."""
    chosen: dict[str, tuple[Peer, float]] = {}
    for peer, figure in tried:
        if peer.name not in chosen or figure > chosen[peer.name][1]:
            chosen[peer.name] = peer, figure
    return {
        name: {"workers": peer.workers, "threads": peer.threads, "max_batch": peer.max_batch}
        for name, (peer, _) in chosen.items()
    }


def tuned(model: str, folder: Path) -> list[Peer]:
    """List the peers as they were tuned for a model, if they were."""
    path = _path(model, folder)
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return [replace(peer, **known.get(peer.name, {})) for peer in PEERS]


def _try(
    peer: Peer, options: argparse.Namespace, payloads: Sequence[Payload]
) -> tuple[dict[str, float], dict[str, float]]:
    with RunningPeer(peer, options.repository, options.model, options.folder) as server:
        caller = HttpCaller(server.port, peer.path, peer.encoding, payloads)
        alone, crowd = (
            measure(caller, clients, options.seconds, _WARM_UP_S, server.processes()) for clients in _CLIENTS
        )
    return alone, crowd


def _path(model: str, folder: Path) -> Path:
    return folder / f"{model}.tuned.json"


if __name__ == "__main__":
    run(main)
