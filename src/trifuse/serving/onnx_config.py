"""Compare a model's config.pbtxt with its ONNX file, as strictly as NVIDIA's C++ backend of r24.10 does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from trifuse.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_HINT = "The configuration must say what the model says: render it from the contract and export again"
_MODEL_TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(uint32)": "TYPE_UINT32",
    "tensor(uint64)": "TYPE_UINT64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(string)": "TYPE_STRING",
}
_BOOLEANS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
_NOT_IMPLEMENTED = ("sequence_batching", "batch_input", "batch_output", "model_operations")


class NodeArgument(Protocol):
    """What ONNX Runtime tells about a model's input or output."""

    name: str
    type: str
    shape: Sequence[int | str | None]


@dataclass(frozen=True)
class SessionSettings:
    """What a configuration says about an ONNX Runtime session; a count of 0 leaves the choice to it.

    `graph_level` is Triton's: -1 basic, 1 extended, 2 off, anything else all.
    """

    intra_op_thread_count: int
    inter_op_thread_count: int
    parallel: bool
    memory_arena: bool
    memory_pattern: bool
    graph_level: int


def session_settings(config: Mapping[str, Any]) -> SessionSettings:
    """Read the parameters that the backend honours. Raises ConfigurationError for a bad value."""
    values = {name: entry["string_value"] for name, entry in config.get("parameters", {}).items()}
    execution_mode = _integer(values, "execution_mode")
    if execution_mode not in {0, 1}:
        raise _bad_parameter("execution_mode", execution_mode, "0 or 1")
    return SessionSettings(
        intra_op_thread_count=_integer(values, "intra_op_thread_count"),
        inter_op_thread_count=_integer(values, "inter_op_thread_count"),
        parallel=execution_mode == 1,
        memory_arena=_boolean(values, "enable_mem_arena"),
        memory_pattern=_boolean(values, "enable_mem_pattern"),
        graph_level=int(config.get("optimization", {}).get("graph", {}).get("level", 0)),
    )


def model_path(config: Mapping[str, Any], version_folder: Path) -> Path:
    """Find the version's model file; a folder of that name holds a model.onnx. Raises ConfigurationError."""
    path = version_folder / (config.get("default_model_filename") or "model.onnx")
    if path.is_dir():
        path /= "model.onnx"
    if not path.is_file():
        raise ConfigurationError(
            "the model file is missing",
            got=f"no {path}",
            hint="Publish again, or correct default_model_filename",
        )
    return path


def check_config(
    config: Mapping[str, Any], inputs: Sequence[NodeArgument], outputs: Sequence[NodeArgument]
) -> None:
    """Refuse a configuration that the C++ backend refuses. Raises ConfigurationError.

    As there, an input that varies in the model may be fixed in the configuration, an output may not, and
    outputs may be left out.
    """
    for field in _NOT_IMPLEMENTED:
        if config.get(field):
            raise ConfigurationError(
                f"the stand-in for the ONNX Runtime backend has no {field}",
                hint="Remove it from config.pbtxt",
            )
    if len(config["input"]) != len(inputs):
        raise ConfigurationError(
            "the configuration has another number of inputs than the model",
            got=", ".join(entry["name"] for entry in config["input"]),
            expected=", ".join(argument.name for argument in inputs),
            hint=_HINT,
        )
    batched = config["max_batch_size"] > 0
    for entry in config["input"]:
        if entry.get("optional"):
            raise ConfigurationError(
                f"input '{entry['name']}' of an ONNX model cannot be optional", hint=_HINT
            )
        _check_tensor("input", entry, inputs, batched=batched, exact=False)
    for entry in config["output"]:
        _check_tensor("output", entry, outputs, batched=batched, exact=True)


def _check_tensor(
    kind: str, entry: Mapping[str, Any], arguments: Sequence[NodeArgument], *, batched: bool, exact: bool
) -> None:
    name = entry["name"]
    argument = next((candidate for candidate in arguments if candidate.name == name), None)
    if argument is None:
        names = ", ".join(candidate.name for candidate in arguments)
        raise ConfigurationError(
            f"the model has no {kind} '{name}'", got=name, expected=f"one of {names}", hint=_HINT
        )
    model_type = _MODEL_TYPES.get(argument.type, argument.type)
    if entry["data_type"] != model_type:
        raise ConfigurationError(
            f"{kind} '{name}' has another data type than in the model",
            got=entry["data_type"],
            expected=model_type,
            hint=_HINT,
        )
    if entry.get("reshape"):
        raise ConfigurationError(
            f"the stand-in for the ONNX Runtime backend does not reshape {kind} '{name}'",
            hint="Export the model with the shape that clients send",
        )
    _check_dims(kind, entry, argument, batched=batched, exact=exact)


def _check_dims(
    kind: str, entry: Mapping[str, Any], argument: NodeArgument, *, batched: bool, exact: bool
) -> None:
    model_dims = [size if isinstance(size, int) else -1 for size in argument.shape]
    if batched and model_dims[:1] != [-1]:
        raise ConfigurationError(
            f"{kind} '{argument.name}' has no batch axis that varies, but max_batch_size is above 0",
            got=f"the model's shape {model_dims}",
            expected="-1 as the first dimension",
            hint="Export the model with a dynamic batch axis",
        )
    config_dims = [-1] * batched + [int(size) for size in entry["dims"]]
    fits = len(model_dims) == len(config_dims) and all(
        model == config or (model == -1 and not exact)
        for model, config in zip(model_dims, config_dims, strict=True)
    )
    if not fits:
        raise ConfigurationError(
            f"{kind} '{argument.name}' has another shape than in the model{' (batch axis first)' * batched}",
            got=config_dims,
            expected=model_dims,
            hint=_HINT,
        )


def _integer(values: Mapping[str, str], name: str) -> int:
    try:
        return int(values.get(name, "0"))
    except ValueError:
        raise _bad_parameter(name, values[name], "an integer") from None


def _boolean(values: Mapping[str, str], name: str) -> bool:
    value = values.get(name, "true")
    if value.lower() not in _BOOLEANS:
        raise _bad_parameter(name, value, "true or false")
    return _BOOLEANS[value.lower()]


def _bad_parameter(name: str, got: object, expected: str) -> ConfigurationError:
    return ConfigurationError(
        f"the parameter {name} has a bad value",
        got=repr(got),
        expected=expected,
        hint="Correct it in config.pbtxt",
    )
