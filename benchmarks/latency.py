"""Measure latency and throughput through a running server: `python benchmarks/latency.py SYSTEM`.

One client, one call after the other; with `--concurrency 1 2 4 8` so many clients at once (closed loop);
with `--rate 20 40` calls that arrive at so many a second whatever the server does (open loop: a latency
counts from when its call was due); with `--p99-ms 50` the highest rate whose p99 is within the limit. The
server's own counters tell what each step took. Inputs that are not given are the canary's.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.progress import track
from rich.table import Table

from trifuse import systems
from trifuse.artifacts import write_file
from trifuse.benchmarking.latencies import Latencies
from trifuse.benchmarking.load_plot import load_png
from trifuse.benchmarking.loops import Load, closed_loop, open_loop, throughput_at
from trifuse.benchmarking.server_side import mean_step_ms, server_processes, step_times, taken
from trifuse.client.command_inputs import add_input_options, read_value
from trifuse.client.command_line import Report, add_common_options, connect, positive, run
from trifuse.reporting import machine
from trifuse.serving.canary import canary_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from trifuse.client import TritonClient
    from trifuse.contracts import EnsembleSpec, SystemContract

COLUMNS = ("p50", "p90", "p95", "p99", "max")
_MOST_AT_ONCE = 8
PHASES = ("queue", "compute_input", "compute_infer", "compute_output", "batch")

console = Console(stderr=True)


def main() -> int:
    """Run the command line, whose options come from the systems' contracts."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="system", required=True, metavar="SYSTEM")
    for system in systems.available():
        contract = systems.contract(system, systems.PROFILES[0])
        command = commands.add_parser(system, help="inputs that are not given are the canary's")
        command.add_argument("--requests", type=positive(int), default=300, help="default: %(default)s")
        command.add_argument("--warm-up", type=positive(int), default=30, help="default: %(default)s")
        add_load_options(command, contract)
        add_input_options(command, contract)
        add_common_options(command)
    return run(parser, benchmark)


def add_load_options(parser: argparse.ArgumentParser, contract: SystemContract) -> None:
    """Add what load there is besides one client, on which ensembles, and where it is drawn."""
    names = [contract.model_name(ensemble.name) for ensemble in contract.ensembles]
    parser.add_argument("--ensemble", choices=names, nargs="+", default=names, help="default: all")
    parser.add_argument("--concurrency", type=positive(int), nargs="+", default=[], metavar="CLIENTS")
    parser.add_argument("--rate", type=positive(float), nargs="+", default=[], metavar="CALLS_PER_S")
    parser.add_argument("--p99-ms", type=positive(float), metavar="LIMIT")
    parser.add_argument("--seconds", type=positive(float), default=10.0, help="of each load (%(default)s)")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write the figures and draw the load")


def benchmark(options: argparse.Namespace) -> Report:
    """Call every ensemble, one client first."""
    contract = systems.contract(options.system, systems.PROFILES[0])
    ensembles = [one for one in contract.ensembles if contract.model_name(one.name) in options.ensemble]
    with connect(options) as triton:
        names = [contract.model_name(ensemble.name) for ensemble in ensembles]
        versions = {name: triton.metadata(name).version for name in names}
        found = {
            contract.model_name(ensemble.name): measure(triton, contract, ensemble, options)
            for ensemble in ensembles
        }
    data = {
        "system": options.system,
        "protocol": options.protocol,
        "requests": options.requests,
        "batch": 1,
        "machine": machine(),
        "versions": versions,
        "latency_ms": {name: one["latency_ms"] for name, one in found.items()},
        "steps_ms": {name: one["steps_ms"] for name, one in found.items()},
        "load": {name: one["load"] for name, one in found.items()},
    }
    if options.output:
        write(options.output, data)
    return Report(data, Group(*tables(data)))


def measure(
    triton: TritonClient, contract: SystemContract, ensemble: EnsembleSpec, options: argparse.Namespace
) -> dict[str, Any]:
    """Measure one ensemble under all loads."""
    model = contract.model_name(ensemble.name)
    inputs = _inputs(ensemble, options, canary_values(contract.system, triton.metadata(model).inputs))

    def call(_: int) -> object:
        return triton.infer(model, inputs)

    steps = [contract.model_name(step) for step in ensemble.steps]
    alone = Latencies()
    for index in range(options.warm_up):
        call(index)
    before = step_times(triton, [model, *steps])
    for index in track(range(options.requests), model, console=console, transient=True):
        started_s = time.perf_counter()
        call(index)
        alone.add(time.perf_counter() - started_s)
    steps_ms = mean_step_ms(before, step_times(triton, [model, *steps]))
    return {
        "latency_ms": alone.summary_ms(),
        "steps_ms": steps_ms,
        "load": list(loads(call, alone, triton, options)),
    }


def loads(
    call: Callable[[int], object], alone: Latencies, triton: TritonClient, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Put the loads that were asked for on the server, and tell what its processes took."""
    processes = server_processes(int(triton.endpoint.url.rpartition(":")[2]))
    warm_up_s = options.seconds / 5

    def under(kind: str, size: float, load: Callable[[], Load | None]) -> Iterator[dict[str, Any]]:
        before = taken(processes)
        with console.status(f"{kind} {size:g}"):
            found = load()
        after = taken(processes)
        if found:
            server = {"server_memory_mb": after["memory_mb"]} if processes else {}
            if processes and kind != "p99":
                server["server_cores"] = (after["cpu_s"] - before["cpu_s"]) / (options.seconds + warm_up_s)
            yield {"kind": kind, "size": size, **found.figures(), **server}

    for clients in options.concurrency:
        yield from under("clients", clients, partial(closed_loop, call, clients, options.seconds, warm_up_s))
    for rate in options.rate:
        yield from under("rate", rate, partial(open_loop, call, rate, options.seconds, warm_up_s))
    if limit_ms := options.p99_ms:
        # More than a few calls at once do not make a server quicker than one call alone.
        highest = _MOST_AT_ONCE * 1000 / alone.summary_ms()["p50"]
        search = partial(throughput_at, call, limit_ms, options.seconds, warm_up_s, highest)
        yield from under("p99", limit_ms, lambda: search()[1])


def write(folder: Path, data: Mapping[str, Any]) -> None:
    """Write the figures, and a picture for every ensemble that was put under load."""
    write_file(folder / "latency.json", json.dumps(data, indent=1) + "\n")
    pictures = []
    for model, points in data["load"].items():
        if points:
            write_file(folder / f"{model}.png", load_png(model, points, data["machine"]))
            pictures.append(f'<h2>{model}</h2><img src="{model}.png" alt="latency of {model} under load">')
    if pictures:
        head = f"<!doctype html><meta charset=utf-8><title>load</title><p>{data['machine']}</p>"
        write_file(folder / "latency.html", head + "".join(pictures))


def _inputs(
    ensemble: EnsembleSpec, options: argparse.Namespace, canary: Mapping[str, NDArray[Any]]
) -> Mapping[str, NDArray[Any]]:
    given = {spec.name: getattr(options, spec.name) for spec in ensemble.inputs}
    return {
        spec.name: canary[spec.name] if given[spec.name] is None else read_value(given[spec.name], spec)
        for spec in ensemble.inputs
    }


def tables(data: Mapping[str, Any]) -> Iterator[Table]:
    """Show latencies, then load, then the steps."""
    title = f"one {data['protocol']} client, batch 1, {data['requests']} requests"
    alone = Table("ensemble", *(f"{name} ms" for name in COLUMNS), title=title, caption=data["machine"])
    for model, row in data["latency_ms"].items():
        alone.add_row(model, *(f"{row[name]:.2f}" for name in COLUMNS))
    yield alone
    for model, points in data["load"].items():
        if points:
            yield _load_table(model, points)
    for model, found in data["steps_ms"].items():
        yield _step_table(model, found)


def _load_table(model: str, points: list[dict[str, Any]]) -> Table:
    names = ("per_second", "p50", "p90", "p99", "max", "failures", "late", "server_cores", "server_memory_mb")
    headings = ("load", "answers/s", "p50", "p90", "p99", "max", "failed", "late", "cores", "MB")
    table = Table(*headings, title=f"{model} under load; latencies in ms")
    for point in points:
        figures = (f"{point[name]:.3g}" if name in point else "" for name in names)
        table.add_row(f"{point['kind']} {point['size']:g}", *figures)
    return table


def _step_table(model: str, found: dict[str, dict[str, float]]) -> Table:
    headings = ("step", "queue", "input", "infer", "output", "batch")
    table = Table(*headings, title=f"{model}, one client: ms an inference in each step")
    for step, row in found.items():
        if step != model:
            table.add_row(step, *(f"{row[name]:.2f}" for name in PHASES))
    return table


if __name__ == "__main__":
    sys.exit(main())
