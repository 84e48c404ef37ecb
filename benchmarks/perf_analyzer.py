"""Compare our figures with NVIDIA's perf_analyzer: `python benchmarks/perf_analyzer.py SYSTEM`.

Both call the same ensembles of a running server with the same payloads, in a closed loop of so many clients,
in turn. perf_analyzer is a program in C++; the difference is what our client in Python costs. It is
installed into `artifacts/perf_analyzer` the first time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from trifuse import systems
from trifuse.artifacts import write_file
from trifuse.benchmarking.calling import Caller
from trifuse.benchmarking.labels import served_as
from trifuse.benchmarking.loops import closed_loop
from trifuse.benchmarking.payloads import add_payload_options, read_payloads
from trifuse.benchmarking.perf_analyzer import PerfAnalyzer, find_perf_analyzer, input_data
from trifuse.benchmarking.perf_analyzer import measure as measure_theirs
from trifuse.benchmarking.server_side import processes_at, repository_of
from trifuse.client.command_line import Report, add_common_options, connect, positive, run
from trifuse.errors import ServerError
from trifuse.reporting import machine
from trifuse.serving.canary import canary_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from trifuse.contracts import SystemContract

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = Path(__file__).with_name("perf_analyzer-requirements.txt")
FIGURES = ("per_second", "p50", "p90", "p99")

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
    """Add what is measured, how often, and where perf_analyzer is kept."""
    names = [contract.model_name(ensemble.name) for ensemble in contract.ensembles]
    parser.add_argument("--ensemble", choices=names, nargs="+", default=names[:1], help="default: the first")
    parser.add_argument("--clients", type=positive(int), nargs="+", default=[1, 4], help="default: 1 4")
    parser.add_argument("--rounds", type=positive(int), default=3, help="default: %(default)s")
    parser.add_argument("--seconds", type=positive(float), default=9.0, help="each (%(default)s)")
    folder = Path("artifacts/perf_analyzer")
    parser.add_argument("--folder", type=Path, default=folder, help="of the program (%(default)s)")
    parser.add_argument("--output", type=Path, default=folder, help="of the figures (%(default)s)")


def benchmark(options: argparse.Namespace) -> Report:
    """Measure every ensemble with both."""
    analyzer = find_perf_analyzer(options.folder, REQUIREMENTS, ROOT / ".venv-tools" / "bin" / "uv")
    contract = systems.contract(options.system, systems.PROFILES[0])
    with connect(options) as triton:
        address = triton.endpoint.address
        label = served_as(triton, contract, options.ensemble, repository_of(processes_at(address)))
        found = {}
        for ensemble in contract.ensembles:
            model = contract.model_name(ensemble.name)
            if model in options.ensemble:
                canary = canary_values(contract.system, triton.metadata(model).inputs)
                payloads = read_payloads(options, ensemble, canary)
                call = Caller(triton, partial(connect, options), model, payloads)
                found[model] = list(measure(analyzer, address, model, call, options))
    data = {
        "system": options.system,
        "protocol": options.protocol,
        "machine": machine(),
        **label,
        "comparison": found,
    }
    write_file(options.output / f"{options.system}.json", json.dumps(data, indent=1) + "\n")
    return Report(data, table(data))


def measure(
    analyzer: PerfAnalyzer, address: str, model: str, call: Caller, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Let both measure one ensemble in turn, round by round. Raises ServerError when a call failed."""
    inputs = options.output / f"{model}-inputs.json"
    write_file(inputs, input_data(call.payloads))
    for clients in options.clients:
        rounds: dict[str, list[dict[str, float]]] = {"ours": [], "perf_analyzer": []}
        for number in range(options.rounds):
            with console.status(f"{model}, {clients} clients, round {number + 1}"):
                load = closed_loop(call, clients, options.seconds, options.seconds / 5)
                if load.failures:
                    raise ServerError(f"{model} failed under load", got=load.first_failure)
                rounds["ours"].append(load.figures())
                theirs = (address, options.protocol, model, inputs, clients, options.seconds)
                rounds["perf_analyzer"].append(measure_theirs(analyzer, *theirs))
        yield {"clients": clients, **compare(rounds), "rounds": rounds}


def compare(rounds: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Take the medians of both over the rounds, and of the ratios of the same round, ours over theirs."""
    found: dict[str, dict[str, float]] = {
        who: {name: statistics.median(row[name] for row in rows) for name in FIGURES}
        for who, rows in rounds.items()
    }
    pairs = list(zip(rounds["ours"], rounds["perf_analyzer"], strict=True))
    ratios = {
        name: statistics.median(mine[name] / theirs[name] for mine, theirs in pairs) for name in FIGURES
    }
    return found | {"ratio": ratios}


def table(data: Mapping[str, Any]) -> Table:
    """Show both and their ratio, a row for every number of clients."""
    title = f"ours / perf_analyzer = ratio; {data['protocol']}, medians, latencies in ms"
    shown = Table("ensemble", "clients", "answers/s", *FIGURES[1:], title=title, caption=data["machine"])
    for model, rows in data["comparison"].items():
        for row in rows:
            cells = (
                f"{row['ours'][name]:.4g} / {row['perf_analyzer'][name]:.4g} = {row['ratio'][name]:.2f}"
                for name in FIGURES
            )
            shown.add_row(model, str(row["clients"]), *cells)
    return shown


if __name__ == "__main__":
    sys.exit(main())
