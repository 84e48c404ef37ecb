"""Call an ensemble of any system with inputs from the command line."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from rich.table import Table

from trifuse import systems
from trifuse.client.command_inputs import add_input_options, read_inputs
from trifuse.client.command_line import Report, add_common_options, connect, run

if TYPE_CHECKING:
    from numpy.typing import NDArray

# An ensemble's inputs have the same names in every profile.
PROFILE = systems.PROFILES[0]
SHOWN_VALUES = 6


def main() -> int:
    """Run the command line, whose options come from the systems' contracts."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="system", required=True, metavar="SYSTEM")
    for system in systems.available():
        contract = systems.contract(system, PROFILE)
        names = [ensemble.name for ensemble in contract.ensembles]
        command = commands.add_parser(system, help=f"ensembles: {', '.join(names)}")
        command.add_argument(
            "ensemble",
            nargs="?",
            choices=names,
            default=names[0],
            help=f"default: {names[0]}; of: {', '.join(names)}",
        )
        add_input_options(command, contract)
        add_common_options(command)
    return run(parser, infer)


def infer(options: argparse.Namespace) -> Report:
    """Send one item to the ensemble and report every output."""
    contract = systems.contract(options.system, PROFILE)
    ensemble = contract.ensemble(options.ensemble)
    inputs = read_inputs(options, contract, ensemble)
    model = contract.model_name(ensemble.name)
    with connect(options) as triton:
        answer = triton.infer(model, inputs)
    outputs, version = {name: value[0] for name, value in answer.items()}, answer.model_version
    plain = {name: _plain(value) for name, value in outputs.items()}
    data = {"model": model, "version": version, "outputs": plain}
    return Report(data, _table(f"{model}, version {version}", outputs))


def _table(title: str, outputs: dict[str, NDArray[Any]]) -> Table:
    table = Table("output", "type", "shape", "values", title=title)
    for name, value in outputs.items():
        shown = [
            f"{item:.4g}" if isinstance(item, float) else str(item)
            for item in _plain(value.ravel()[:SHOWN_VALUES])
        ]
        more = " …" if value.size > SHOWN_VALUES else ""
        table.add_row(name, str(value.dtype), str(list(value.shape)), " ".join(shown) + more)
    return table


def _plain(value: NDArray[Any]) -> Any:
    """Turn an array into lists of numbers and texts."""
    if value.dtype == object:
        return [item.decode("utf-8", "replace") for item in value.flat]
    return value.tolist()


if __name__ == "__main__":
    sys.exit(main())
