"""What a benchmark sends: files and texts from the command line, in turn; canaries for what is not given."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trifuse.client.command_inputs import read_value
from trifuse.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from trifuse.contracts import EnsembleSpec, SystemContract, TensorSpec

    Payload = dict[str, NDArray[Any]]

_MEDIA = ("image/", "video/", "audio/")


def add_payload_options(parser: argparse.ArgumentParser, contract: SystemContract) -> None:
    """Add one option for every input of a system's ensembles, each of one value or more.

    A media tensor takes files, or folders whose photos and recordings are taken; other BYTES take texts (or
    @FILE for a file's content), numbers take .npy files with one item's array each, or folders of them.
    """
    group = parser.add_argument_group("payloads", "several values are sent in turn")
    for name, tensor in _inputs(contract).items():
        group.add_argument(f"--{name.replace('_', '-')}", dest=name, nargs="+", **_value_help(tensor))


def read_payloads(
    options: argparse.Namespace, ensemble: EnsembleSpec, canary: Mapping[str, NDArray[Any]]
) -> list[Payload]:
    """Read the payloads of an ensemble, one item each: as many as the option with most values has.

    An input without a value gets the canary's, unless it is optional and another input has a value.
    Raises InputError for a file that cannot be read, or a folder without files.
    """
    values: dict[str, list[NDArray[Any]]] = {}
    given = any(getattr(options, tensor.name) for tensor in ensemble.inputs)
    for tensor in ensemble.inputs:
        if texts := getattr(options, tensor.name):
            named = [found for text in texts for found in _named(text, tensor)]
            values[tensor.name] = [read_value(one, tensor) for one in named]
        elif not (given and tensor.optional):
            values[tensor.name] = [canary[tensor.name]]
    count = max(map(len, values.values()))
    return [{name: column[index % len(column)] for name, column in values.items()} for index in range(count)]


def _named(text: str, tensor: TensorSpec) -> list[str]:
    """Name the files of a folder that a tensor may hold: subtitles lie beside films."""
    folder = Path(text)
    if not (tensor.media or tensor.dtype != "BYTES") or not folder.is_dir():
        return [text]
    files = sorted(path for path in folder.iterdir() if _may_hold(path, tensor))
    if not files:
        kind = "photos or recordings" if tensor.media else ".npy files"
        raise InputError(f"the folder {folder} holds nothing for '{tensor.name}'", expected=kind)
    return list(map(str, files))


def _may_hold(path: Path, tensor: TensorSpec) -> bool:
    if not tensor.media:
        return path.suffix == ".npy"
    return (mimetypes.guess_type(path.name)[0] or "").startswith(_MEDIA)


def _inputs(contract: SystemContract) -> dict[str, TensorSpec]:
    return {tensor.name: tensor for ensemble in contract.ensembles for tensor in ensemble.inputs}


def _value_help(tensor: TensorSpec) -> dict[str, Any]:
    if tensor.media:
        return {"metavar": "FILE", "help": "files, sent as they are, or folders of them"}
    if tensor.dtype == "BYTES":
        return {"metavar": "TEXT", "help": "texts, or @FILE to send a file's content"}
    return {"metavar": "FILE.npy", "help": f"arrays of one item, {tensor.dtype} {list(tensor.dims)}"}
