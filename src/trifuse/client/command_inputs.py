"""Command-line options made from a contract, and their values as tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.client.encoding import bytes_tensor, file_bytes, text_bytes
from trifuse.errors import InputError
from trifuse.retrieval.filters import Filters

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from trifuse.contracts import EnsembleSpec, SystemContract, TensorSpec


def add_input_options(parser: argparse.ArgumentParser, contract: SystemContract) -> None:
    """Add one option for every input of a system's ensembles.

    A media tensor takes a file, other BYTES take text (or @FILE for a file's content), numbers take
    a .npy file with one item's array.
    """
    group = parser.add_argument_group("inputs")
    for name, tensor in _inputs(contract).items():
        group.add_argument(f"--{_option(name)}", dest=name, **_value_help(tensor))


def read_inputs(
    options: argparse.Namespace, contract: SystemContract, ensemble: EnsembleSpec
) -> dict[str, NDArray[Any]]:
    """Read an ensemble's inputs, one item each, from the options that were given.

    Raises InputError for a file that cannot be read, an input that the ensemble does not take, or none.
    """
    taken = {tensor.name: tensor for tensor in ensemble.inputs}
    listed = ", ".join(f"--{_option(name)}" for name in taken)
    given = {name: value for name in _inputs(contract) if (value := getattr(options, name)) is not None}
    if not given:
        raise InputError(
            f"nothing to send to the ensemble '{ensemble.name}'", expected=f"a value for {listed}"
        )
    for name in given.keys() - taken.keys():
        raise InputError(f"the ensemble '{ensemble.name}' takes no --{_option(name)}", expected=listed)
    return {name: read_value(value, taken[name]) for name, value in given.items()}


def read_value(value: str, tensor: TensorSpec) -> NDArray[Any]:
    """Turn an option's value into a tensor of one item. Raises InputError for a file that cannot be read."""
    if tensor.dtype != "BYTES":
        return _read_array(Path(value))[np.newaxis]
    if tensor.media:
        return bytes_tensor([file_bytes(Path(value))])
    if value.startswith("@"):
        return bytes_tensor([file_bytes(Path(value[1:]))])
    return bytes_tensor([text_bytes(value)])


def read_filters(text: str | None) -> dict[str, Any] | None:
    """Check an option's filters before they travel; empty text holds none. Raises InputError."""
    if text is None or not text.strip():
        return None
    Filters.parse(text)
    return dict(json.loads(text))


def _inputs(contract: SystemContract) -> dict[str, TensorSpec]:
    return {tensor.name: tensor for ensemble in contract.ensembles for tensor in ensemble.inputs}


def _option(name: str) -> str:
    return name.replace("_", "-")


def _read_array(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"the file {path} holds no array", got=error, expected="a .npy file") from error
    return array


def _value_help(tensor: TensorSpec) -> dict[str, Any]:
    if tensor.media:
        return {"metavar": "FILE", "help": "a file, sent as it is"}
    if tensor.dtype == "BYTES":
        return {"metavar": "TEXT", "help": "text, or @FILE to send a file's content"}
    return {"metavar": "FILE.npy", "help": f"one item's array, {tensor.dtype} {list(tensor.dims)}"}
