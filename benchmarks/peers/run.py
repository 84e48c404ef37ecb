"""Trifuse and what users would pick instead, behind the same clients: `python -m benchmarks.peers.run MODEL`.

MODEL is a published ensemble that takes files, such as product_match or surveillance_clip. All servers are
started, give the same answers, and are then measured in turn, round after round.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.peers import environments
from benchmarks.peers.agreement import check_agreement, check_sane
from benchmarks.peers.bound import ENVIRONMENT as BOUND_ENVIRONMENT
from benchmarks.peers.bound import Bound
from benchmarks.peers.calling import GrpcCaller, HttpCaller
from benchmarks.peers.lines import BOUND, OURS, OURS_HTTP, PEERS
from benchmarks.peers.loading import measure
from benchmarks.peers.payloads import ITEMS, find, make_payloads
from benchmarks.peers.results import compare, tables
from benchmarks.peers.running import RunningPeer
from benchmarks.peers.tuning import tuned
from rich.console import Console
from rich.progress import track

from trifuse.artifacts import write_file
from trifuse.benchmarking.server_side import server_processes
from trifuse.client import TritonClient
from trifuse.command_line import run
from trifuse.reporting import machine
from trifuse.serving.cores import available_cores
from trifuse.serving.probe import own_server
from trifuse.serving.server_environment import default_location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psutil
    from benchmarks.peers.payloads import Payload

    from trifuse.contracts import SystemContract

_COMPARED = 8
# A slow server's windows are so many times as long, and its clients at most so many.
_SLOW_STRETCH, _SLOW_CLIENTS = 2, 4


class Line(NamedTuple):
    """One way to be answered: what calls it, what lets it run, and its processes."""

    title: str
    caller: GrpcCaller | HttpCaller
    running: Callable[[], contextlib.AbstractContextManager[object]]
    processes: Callable[[], list[psutil.Process]]
    slow: bool = False
    same_weights: bool = True


def main() -> None:
    """Start, check, measure, show, and write JSON; its path is the last line."""
    options = _options()
    contract, ensemble = find(options.repository, options.model)
    peers = [peer for peer in tuned(options.model, options.folder) if peer.name in options.peers]
    for peer in (*peers, BOUND_ENVIRONMENT):
        environments.prepare(peer, options.folder)
    payloads = make_payloads(contract.system, ensemble, options.folder / "data" / contract.system, ITEMS)
    with contextlib.ExitStack() as stack:
        lines = [*_ours(stack, options, contract, payloads), *_theirs(stack, options, peers, payloads)]
        bound = stack.enter_context(Bound(options.repository, options.model, options.folder, payloads))
        differences = _check(lines)
        best = bound.best(options.seconds / 3)
        figures = _measure(lines, bound, best, options)
    content = {
        "model": options.model,
        "profile": contract.profile,
        "machine": machine(),
        "load": list(os.getloadavg()),
        "options": {name: getattr(options, name) for name in ("rounds", "seconds", "warm_up", "clients")},
        "payload_bytes": [sum(map(len, payload.values())) for payload in payloads],
        "peers": {
            peer.title: asdict(peer) | {"versions": environments.versions(peer, options.folder)}
            for peer in peers
        },
        "largest_difference": differences,
        "bound": best,
        "figures": figures,
        "comparison": compare(figures),
    }
    output = options.folder / f"{options.model}.json"
    write_file(output, json.dumps(content, indent=1) + "\n")
    title = f"{options.model}, {contract.profile}: medians of {options.rounds} rounds"
    Console().print(*tables(figures, title, f"median (lowest – highest round); {machine()}"))
    print(output)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--repository", type=Path, default=Path("artifacts/full/model_repository"))
    parser.add_argument("--folder", type=Path, default=Path("artifacts/peers"), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="of each measurement, default: %(default)s"
    )
    parser.add_argument(
        "--warm-up", type=float, default=0.5, help="seconds before each, default: %(default)s"
    )
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 8], help="default: 1 4 8")
    names = [peer.name for peer in PEERS]
    parser.add_argument("--peers", nargs="+", choices=names, default=names, help="default: all")
    return parser.parse_args()


def _ours(
    stack: contextlib.ExitStack,
    options: argparse.Namespace,
    contract: SystemContract,
    payloads: list[Payload],
) -> Iterator[Line]:
    log = options.folder / "tritonserver.log"
    triton = stack.enter_context(own_server(options.repository, contract, default_location(), log))
    client = stack.enter_context(TritonClient(triton.grpc_url))
    port = triton.endpoint.http_port
    http = HttpCaller(port, f"/v2/models/{options.model}/infer", "triton-http", payloads)
    for title, caller in ((OURS, GrpcCaller(client, options.model, payloads)), (OURS_HTTP, http)):
        yield Line(title, caller, contextlib.nullcontext, lambda: server_processes(port))


def _theirs(
    stack: contextlib.ExitStack, options: argparse.Namespace, peers: list[Any], payloads: list[Payload]
) -> Iterator[Line]:
    for peer in peers:
        server = stack.enter_context(RunningPeer(peer, options.repository, options.model, options.folder))
        caller = HttpCaller(server.port, peer.path, peer.encoding, payloads)
        yield Line(peer.title, caller, server.resumed, server.processes, peer.slow, not peer.overlay)


def _check(lines: list[Line]) -> dict[str, float]:
    """Compare the answers of all lines with the first one's; also leaves every server at rest."""
    expected = [lines[0].caller.answer(number) for number in range(_COMPARED)]
    differences = {}
    for line in lines[1:]:
        with line.running():
            answers = [line.caller.answer(number) for number in range(_COMPARED)]
        if line.same_weights:
            differences[line.title] = check_agreement(line.title, answers, expected)
        else:
            check_sane(line.title, answers, expected)
    return differences


def _measure(
    lines: list[Line], bound: Bound, best: dict[str, int], options: argparse.Namespace
) -> dict[str, dict[int, list[dict[str, float]]]]:
    """Measure every line with every number of clients, once a round."""
    figures: dict[str, dict[int, list[dict[str, float]]]] = {}

    def keep(title: str, clients: int, found: dict[str, float]) -> None:
        figures.setdefault(title, {}).setdefault(clients, []).append(found)

    alone = {"streams": 1, "threads": available_cores(), "batch": 1}
    window = (options.seconds, options.warm_up)
    for _ in track(range(options.rounds), "measuring", console=Console(stderr=True), transient=True):
        for clients in options.clients:
            for line in lines:
                if line.slow and clients > _SLOW_CLIENTS:
                    continue
                seconds = options.seconds * (_SLOW_STRETCH if line.slow else 1)
                with line.running():
                    found = measure(line.caller, clients, seconds, options.warm_up, line.processes())
                keep(line.title, clients, found)
        keep(BOUND, 1, bound.measure(**alone, seconds=window[0], warm_up_s=window[1]))
        keep(BOUND, max(options.clients), bound.measure(**best, seconds=window[0], warm_up_s=window[1]))
    return figures


if __name__ == "__main__":
    run(main)
