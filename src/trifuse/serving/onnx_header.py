"""Read an ONNX file's versions and metadata without loading the model or any ONNX package."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from trifuse.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What ONNX Runtime 1.19 loads, the one in NVIDIA's r24.10 backend: each later backend loads it too.
MAXIMUM_IR_VERSION = 10
MAXIMUM_OPSETS = {"": 21, "ai.onnx.ml": 5}

# Field numbers of ModelProto, OperatorSetIdProto and StringStringEntryProto in onnx.proto.
_IR_VERSION, _OPSET_IMPORT, _METADATA_PROPS = 1, 8, 14
_KEY, _VALUE = 1, 2
_VARINT, _LENGTH_DELIMITED = 0, 2
_FIXED_SIZES = {1: 8, 5: 4}


@dataclass
class OnnxHeader:
    """The versions a model was written with (opsets by operator domain) and its metadata."""

    ir_version: int = 0
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)


def read_header(path: Path) -> OnnxHeader:
    """Read the header, whatever the graph weighs. Raises ArtifactError when the file is no ONNX model."""
    header = OnnxHeader()
    try:
        with path.open("rb") as file:
            for number, value in _fields(file, path.stat().st_size, {_OPSET_IMPORT, _METADATA_PROPS}):
                _add(header, number, value)
    except (ValueError, EOFError) as error:
        raise ArtifactError(
            f"{path} is not a complete ONNX model", got=error, hint="Export it again"
        ) from error
    if not header.ir_version or not header.opsets:
        raise ArtifactError(
            f"{path} is not an ONNX model", got="no IR version or opset", hint="Export it again"
        )
    return header


def check_versions(path: Path, header: OnnxHeader) -> None:
    """Refuse what ONNX Runtime 1.19 cannot load. Raises ArtifactError."""
    found = {"IR version": (header.ir_version, MAXIMUM_IR_VERSION)} | {
        f"opset of domain {domain or 'ai.onnx'!r}": (header.opsets.get(domain, 0), maximum)
        for domain, maximum in MAXIMUM_OPSETS.items()
    }
    for what, (version, maximum) in found.items():
        if version > maximum:
            raise ArtifactError(
                f"{path.name}: its {what} is too new for the server",
                got=version,
                expected=f"{maximum} or less",
                hint="Export with opset_version=21",
            )


def _add(header: OnnxHeader, number: int, value: int | bytes) -> None:
    if number == _IR_VERSION and isinstance(value, int):
        header.ir_version = value
    elif isinstance(value, bytes):
        entry = dict(_parse(value))
        key = _text(entry.get(_KEY, b""))
        if number == _OPSET_IMPORT:
            version = entry.get(_VALUE, 0)
            header.opsets["" if key == "ai.onnx" else key] = version if isinstance(version, int) else 0
        else:
            header.metadata[key] = _text(entry.get(_VALUE, b""))


def _text(value: int | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else ""


def _parse(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    return _fields(io.BytesIO(message), len(message), {_KEY, _VALUE})


def _fields(file: BinaryIO, end: int, wanted: set[int]) -> Iterator[tuple[int, int | bytes]]:
    """Walk a protobuf message: yield its integers, and the bytes of the wanted fields; skip the rest."""
    while file.tell() < end:
        number, wire_type = divmod(_varint(file), 8)
        if wire_type == _VARINT:
            yield number, _varint(file)
        elif wire_type == _LENGTH_DELIMITED:
            size = _varint(file)
            if file.tell() + size > end:
                raise EOFError("the file is cut off")
            if number in wanted:
                yield number, file.read(size)
            else:
                file.seek(size, os.SEEK_CUR)
        elif wire_type in _FIXED_SIZES:
            file.seek(_FIXED_SIZES[wire_type], os.SEEK_CUR)
        else:
            raise ValueError(f"field {number} has unknown wire type {wire_type}")


def _varint(file: BinaryIO) -> int:
    """Read a base-128 integer, least significant group first."""
    value = shift = 0
    while byte := file.read(1):
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
        shift += 7
    raise EOFError("the file is cut off")
