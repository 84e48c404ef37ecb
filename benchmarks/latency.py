"""Measure one client's latency through a running server: `python benchmarks/latency.py SYSTEM`."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from trifuse import systems
from trifuse.client.command_inputs import add_input_options, read_value
from trifuse.client.command_line import Report, add_common_options, connect, positive, run
from trifuse.reporting import machine
from trifuse.serving.canary import canary_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from trifuse.client import TritonClient
    from trifuse.contracts import EnsembleSpec, SystemContract

PERCENTILES = (50, 90, 99)


def main() -> int:
    """Run the command line, whose options come from the systems' contracts."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="system", required=True, metavar="SYSTEM")
    for system in systems.available():
        command = commands.add_parser(system, help="inputs that are not given are the canary's")
        command.add_argument("--requests", type=positive(int), default=300, help="default: %(default)s")
        command.add_argument("--warm-up", type=positive(int), default=30, help="default: %(default)s")
        add_input_options(command, systems.contract(system, systems.PROFILES[0]))
        add_common_options(command)
    return run(parser, benchmark)


def benchmark(options: argparse.Namespace) -> Report:
    """Call every ensemble of the system in a closed loop, one request at a time."""
    contract = systems.contract(options.system, systems.PROFILES[0])
    with connect(options) as triton:
        versions = {
            name: triton.metadata(name).version for name in map(contract.model_name, _names(contract))
        }
        rows = {
            contract.model_name(ensemble.name): _measure(triton, contract, ensemble, options)
            for ensemble in contract.ensembles
        }
    data = {
        "system": options.system,
        "protocol": options.protocol,
        "requests": options.requests,
        "batch": 1,
        "machine": machine(),
        "versions": versions,
        "latency_ms": rows,
    }
    return Report(data, _table(data))


def _names(contract: SystemContract) -> list[str]:
    return [ensemble.name for ensemble in contract.ensembles]


def _measure(
    triton: TritonClient, contract: SystemContract, ensemble: EnsembleSpec, options: argparse.Namespace
) -> dict[str, float]:
    model = contract.model_name(ensemble.name)
    inputs = _inputs(ensemble, options, canary_values(contract.system, triton.metadata(model).inputs))
    latencies_ms = np.empty(options.requests)
    for index in track(
        range(-options.warm_up, options.requests), model, console=Console(stderr=True), transient=True
    ):
        started = time.perf_counter()
        triton.infer(model, inputs)
        if index >= 0:
            latencies_ms[index] = (time.perf_counter() - started) * 1000
    return {f"p{percentile}": float(np.percentile(latencies_ms, percentile)) for percentile in PERCENTILES}


def _inputs(
    ensemble: EnsembleSpec, options: argparse.Namespace, canary: Mapping[str, NDArray[Any]]
) -> Mapping[str, NDArray[Any]]:
    given = {spec.name: getattr(options, spec.name) for spec in ensemble.inputs}
    return {
        spec.name: canary[spec.name] if given[spec.name] is None else read_value(given[spec.name], spec)
        for spec in ensemble.inputs
    }


def _table(data: dict[str, Any]) -> Table:
    table = Table(
        "ensemble",
        *(f"p{percentile} ms" for percentile in PERCENTILES),
        title=f"one {data['protocol']} client, batch 1, {data['requests']} requests",
        caption=data["machine"],
    )
    for model, row in data["latency_ms"].items():
        table.add_row(model, *(f"{value:.2f}" for value in row.values()))
    return table


if __name__ == "__main__":
    sys.exit(main())
