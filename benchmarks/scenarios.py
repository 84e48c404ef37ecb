"""MLPerf's LoadGen against a running server: `python benchmarks/scenarios.py SYSTEM`.

SingleStream sends one call after the other, Server calls that arrive at a rate, Offline everything at once;
the summaries are LoadGen's own. The rates come from a short closed loop: Offline is expected to be half as
fast again, Server gets six tenths of it. Then the accuracy mode asks for every request once: with `--data`
the requests are those by which the system measures its quality on that data, which is judged by the answers
that LoadGen logged; without, they are the payloads, compared with direct calls.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.table import Table

from trifuse import systems
from trifuse.artifacts import digest, write_file
from trifuse.benchmarking.calling import Caller
from trifuse.benchmarking.labels import served_as
from trifuse.benchmarking.loadgen import SCENARIOS, Aim, run_accuracy, run_performance
from trifuse.benchmarking.logged_answers import (
    Recorder,
    Replayer,
    decode_answer,
    encode_answer,
    largest_difference,
)
from trifuse.benchmarking.loops import closed_loop
from trifuse.benchmarking.payloads import add_payload_options, read_payloads
from trifuse.benchmarking.server_side import processes_at, repository_of
from trifuse.catalog import find_manifest
from trifuse.client.command_line import Report, add_common_options, connect, positive, run
from trifuse.errors import ServerError
from trifuse.reporting import machine
from trifuse.serving.canary import canary_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trifuse.client import TritonClient
    from trifuse.contracts import SystemContract

_TRIAL_S, _TRIAL_WARM_UP_S = 4.0, 1.0
# LoadGen calls an Offline run that is faster than expected too short.
_SERVER_SHARE, _OFFLINE_SHARE = 0.6, 1.5
_COLUMNS = ("p50", "p90", "p99", "max")

console = Console(stderr=True)


def main() -> int:
    """Run the command line, whose options come from the systems' contracts."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="system", required=True, metavar="SYSTEM")
    for system in systems.available():
        contract = systems.contract(system, systems.PROFILES[0])
        command = commands.add_parser(system, help="inputs that are not given are the canary's")
        add_run_options(command, contract)
        add_payload_options(command, contract)
        add_common_options(command)
    return run(parser, benchmark)


def add_run_options(parser: argparse.ArgumentParser, contract: SystemContract) -> None:
    """Add what LoadGen asks for."""
    names = [contract.model_name(ensemble.name) for ensemble in contract.ensembles]
    parser.add_argument(
        "--ensemble", choices=names, nargs="+", default=names[:1], help=f"default: {names[0]}"
    )
    parser.add_argument("--scenario", choices=SCENARIOS, nargs="+", default=SCENARIOS, help="default: all")
    parser.add_argument("--seconds", type=positive(float), default=60.0, help="at least (%(default)s)")
    parser.add_argument("--queries", type=positive(int), default=1000, help="at least (%(default)s)")
    parser.add_argument("--clients", type=positive(int), default=8, help="of Offline (%(default)s)")
    parser.add_argument("--rate", type=positive(float), help="calls a second of Server")
    parser.add_argument("--p99-ms", type=positive(float), default=100.0, help="of Server (%(default)s)")
    parser.add_argument("--data", type=Path, help="a catalogue for the accuracy mode")
    parser.add_argument("--split", default="validation", help="of the catalogue (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("artifacts/loadgen"), help="default: %(default)s")


def benchmark(options: argparse.Namespace) -> Report:
    """Run every scenario on every ensemble, and then the accuracy mode."""
    contract = systems.contract(options.system, systems.PROFILES[0])
    folder = options.output / options.system
    with connect(options) as triton:
        repository = repository_of(processes_at(triton.endpoint.address))
        label = served_as(triton, contract, options.ensemble, repository)
        callers = dict(make_callers(triton, contract, options))
        found = {model: dict(perform(call, folder / model, options)) for model, call in callers.items()}
        accuracy = judge(callers, folder / "accuracy", options)
    data = {
        "system": options.system,
        "protocol": options.protocol,
        "machine": machine(),
        **label,
        "scenarios": found,
        "accuracy": accuracy,
    }
    write_file(folder / "scenarios.json", json.dumps(data, indent=1) + "\n")
    return Report(data, Group(*tables(data)))


def make_callers(
    triton: TritonClient, contract: SystemContract, options: argparse.Namespace
) -> Iterator[tuple[str, Caller]]:
    """Read the payloads of the ensembles that were asked for."""
    for ensemble in contract.ensembles:
        model = contract.model_name(ensemble.name)
        if model in options.ensemble:
            canary = canary_values(contract.system, triton.metadata(model).inputs)
            payloads = read_payloads(options, ensemble, canary)
            yield model, Caller(triton, partial(connect, options), model, payloads)


def perform(call: Caller, folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run the scenarios on one ensemble. Raises ServerError when a call of the trial failed."""
    trial = closed_loop(call, options.clients, _TRIAL_S, _TRIAL_WARM_UP_S)
    if trial.failures or not trial.per_second:
        raise ServerError("LoadGen was not started: calls failed", got=trial.first_failure or "no answer")
    server_rate = options.rate or _SERVER_SHARE * trial.per_second
    for scenario in options.scenario:
        rate = server_rate if scenario == "Server" else _OFFLINE_SHARE * trial.per_second
        aim = Aim(scenario, options.seconds, options.queries, rate, options.p99_ms)
        with console.status(f"{folder.name} {scenario}"):
            found = run_performance(call, len(call.payloads), aim, options.clients, folder / scenario)
        asked = {"rate": rate, "limit_ms": options.p99_ms} if scenario == "Server" else {}
        yield scenario, found | asked


def judge(callers: Mapping[str, Caller], folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Let LoadGen's accuracy mode send requests that were answered directly before, and compare."""
    quality = systems.component(options.system, "served_quality")
    connection = {"url": options.url, "protocol": options.protocol, "timeout_s": options.timeout_s}
    manifest = find_manifest(options.data) if options.data else None
    with Recorder(**connection) as triton, console.status("accuracy"):
        if manifest:
            direct = quality.measure(triton, manifest, options.split)["headline"]
        else:
            for model, caller in callers.items():
                for payload in caller.payloads:
                    triton.infer(model, payload)
        requests, answers = list(triton.requests), list(triton.answers)

        def call(number: int) -> bytes:
            with connect(options) as own:
                return encode_answer(own.infer(*requests[number]))

        logged = run_accuracy(call, len(requests), options.clients, folder)
    heard = [decode_answer(logged[number]) for number in range(len(requests))]
    found = {"requests": len(requests), "largest_difference": largest_difference(answers, heard)}
    if manifest is None:
        return found
    with Replayer(requests=requests, answers=heard, **connection) as replayer:
        judged = quality.measure(replayer, manifest, options.split)["headline"]
    return found | {"data": digest(manifest), "split": options.split, "headline": judged, "direct": direct}


def tables(data: Mapping[str, Any]) -> Iterator[Table]:
    """Show LoadGen's results, and how the answers that it logged compare with direct ones."""
    headings = ("ensemble", "scenario", "LoadGen says", "per s", *(f"{name} ms" for name in _COLUMNS))
    found = Table(*headings, title=f"MLPerf LoadGen, {data['protocol']}", caption=data["machine"])
    for model, scenarios in data["scenarios"].items():
        for scenario, row in scenarios.items():
            verdict = " ".join([row["result"], *(f"(not: {name})" for name in row["unmet"])])
            figures = (f"{row[name]:.1f}" for name in ("per_second", *_COLUMNS))
            found.add_row(model, scenario, verdict, *figures)
    yield found
    accuracy = data["accuracy"]
    title = f"accuracy mode, {accuracy['requests']} requests"
    judged = Table("", "logged by LoadGen", "direct calls", title=title)
    judged.add_row("largest difference of a number", f"{accuracy['largest_difference']:.2g}", "")
    for name, value in accuracy.get("headline", {}).items():
        judged.add_row(name, f"{value:.4f}", f"{accuracy['direct'][name]:.4f}")
    yield judged


if __name__ == "__main__":
    sys.exit(main())
