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

from trifuse import systems
from trifuse.artifacts import write_file
from trifuse.benchmarking.calling import Caller
from trifuse.benchmarking.labels import served_as
from trifuse.benchmarking.latencies import Latencies
from trifuse.benchmarking.load_page import page
from trifuse.benchmarking.load_plot import load_png
from trifuse.benchmarking.load_tables import latency_rows, model_rows, table
from trifuse.benchmarking.loops import Load, closed_loop, open_loop
from trifuse.benchmarking.payloads import add_payload_options, read_payloads
from trifuse.benchmarking.rate_search import throughput_at
from trifuse.benchmarking.server_side import (
    mean_step_ms,
    processes_at,
    repository_of,
    step_times,
    taken_by,
    use,
)
from trifuse.client.command_line import Report, add_common_options, connect, positive, run
from trifuse.reporting import machine
from trifuse.serving.canary import canary_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import psutil

    from trifuse.client import TritonClient
    from trifuse.contracts import EnsembleSpec, SystemContract

# A generator that is late more often than this measures itself.
_LATE_SHARE = 0.01

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
        add_payload_options(command, contract)
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
    ensembles = {contract.model_name(one.name): one for one in contract.ensembles}
    with connect(options) as triton:
        processes = processes_at(triton.endpoint.address)
        label = served_as(triton, contract, options.ensemble, repository_of(processes))
        found = {
            model: measure(triton, contract, ensembles[model], processes, options)
            for model in options.ensemble
        }
    data = {
        "system": options.system,
        "protocol": options.protocol,
        "requests": options.requests,
        "batch": 1,
        "machine": machine(),
        **label,
        **{name: {model: one[name] for model, one in found.items()} for name in found[options.ensemble[0]]},
    }
    if options.output:
        write(options.output, data)
    shown = (rows for model in options.ensemble for rows in model_rows(model, data))
    return Report(data, Group(table(latency_rows(data)), *map(table, shown)))


def measure(
    triton: TritonClient,
    contract: SystemContract,
    ensemble: EnsembleSpec,
    processes: Sequence[psutil.Process],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Measure one ensemble under all loads."""
    model = contract.model_name(ensemble.name)
    canary = canary_values(contract.system, triton.metadata(model).inputs)
    call = Caller(triton, partial(connect, options), model, read_payloads(options, ensemble, canary))
    read_steps = partial(step_times, triton, [model, *map(contract.model_name, ensemble.steps)])
    for number in range(options.warm_up):
        call(number)
    before = read_steps()
    alone = Latencies()
    for number in track(range(options.requests), model, console=console, transient=True):
        started_s = time.perf_counter()
        call(number)
        alone.add(time.perf_counter() - started_s)
    return {
        "payloads": len(call.payloads),
        "latency_ms": alone.summary_ms(),
        "steps_ms": mean_step_ms(before, read_steps()),
        "load": list(loads(call, alone, read_steps, processes, options)),
    }


def loads(
    call: Caller,
    alone: Latencies,
    read_steps: Callable[[], dict[str, dict[str, float]]],
    processes: Sequence[psutil.Process],
    options: argparse.Namespace,
) -> Iterator[dict[str, Any]]:
    """Put the loads that were asked for on the server, and tell what it and its processes did meanwhile."""
    window = {"seconds": options.seconds, "warm_up_s": options.seconds / 5}

    def under(kind: str, size: float, loop: Callable[..., Load]) -> tuple[Load, dict[str, Any]]:
        steps, taken, began_s = read_steps(), taken_by(processes), time.perf_counter()
        with console.status(f"{kind} {size:g}"):
            load = loop(call, size, **window)
        server = use(taken, taken_by(processes), time.perf_counter() - began_s)
        _warn(kind, size, load)
        row = {"kind": kind, "size": size, **load.figures(), **server}
        return load, row | {"steps_ms": mean_step_ms(steps, read_steps())}

    for clients in options.concurrency:
        yield under("clients", clients, closed_loop)[1]
    for rate in options.rate:
        yield under("rate", rate, open_loop)[1]
    if options.p99_ms:
        rows: dict[float, dict[str, Any]] = {}

        def measured(rate: float) -> Load:
            load, rows[rate] = under("rate", rate, open_loop)
            return load

        found = throughput_at(measured, options.p99_ms, 500 / alone.summary_ms()["p50"])
        yield from rows.values()
        if found.load:
            yield rows[found.rate] | {"kind": "p99", "limit_ms": options.p99_ms}


def _warn(kind: str, size: float, load: Load) -> None:
    if load.first_failure:
        console.print(f"{kind} {size:g}: {load.failures} calls failed: {load.first_failure}", style="red")
    if load.late > _LATE_SHARE or load.unsent:
        console.print(
            f"{kind} {size:g}: the generator could not keep its schedule: {load.late:.1%} of the calls "
            f"began late, {load.unsent} were not sent",
            style="yellow",
        )


def write(folder: Path, data: Mapping[str, Any]) -> None:
    """Write the figures, a picture of every ensemble, and a page with all of it."""
    write_file(folder / "latency.json", json.dumps(data, indent=1) + "\n")
    pictures = {}
    for model, points in data["load"].items():
        steps = {step: row for step, row in data["steps_ms"][model].items() if step != model}
        pictures[model] = load_png(f"{model}: {data['machine']}", points, steps)
        write_file(folder / f"{model}.png", pictures[model])
    write_file(folder / "latency.html", page(data, pictures))


if __name__ == "__main__":
    sys.exit(main())
