"""Numpy arrays to Triton requests and Triton responses to numpy arrays, the same for both protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

# Below gRPC's limit of 2 GiB a message, with room for its framing.
MAX_REQUEST_BYTES = 2**30


class Answer(dict[str, "NDArray[Any]"]):
    """The outputs of an inference by name, and the version of the model that computed them."""

    def __init__(self, outputs: Mapping[str, NDArray[Any]], model_version: int) -> None:
        super().__init__(outputs)
        self.model_version = model_version


def triton_dtype(array: NDArray[Any]) -> str:
    """Name an array's type as Triton does (FP32, INT64, BYTES, …), or "" when Triton has no such type."""
    from tritonclient.utils import np_to_triton_dtype

    return str(np_to_triton_dtype(array.dtype) or "")


def bytes_tensor(values: Iterable[bytes]) -> NDArray[np.object_]:
    """Make a BYTES tensor of one value an item: an object array (batch, 1)."""
    listed = list(values)
    tensor = np.empty((len(listed), 1), dtype=object)
    tensor[:, 0] = listed
    return tensor


def text_bytes(text: str) -> bytes:
    """Encode text as UTF-8; bytes that a command line could not decode pass unchanged.

    Raises InputError for text that is not valid Unicode.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InputError("the text is not valid Unicode", got=error.reason, expected="text") from error


def file_bytes(path: Path) -> bytes:
    """Read a file that is to be sent as it is. Raises InputError."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"the file {path} cannot be read", got=reason) from error


def encode(
    module: ModuleType, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None
) -> dict[str, Any]:
    """Make the `inputs` and `outputs` arguments of tritonclient's `infer`. Raises InputError."""
    if not inputs:
        raise InputError("the request has no input at all", expected="at least one tensor")
    for name, value in inputs.items():
        _check_sendable(name, value)
    _check_size(inputs)
    encoded = []
    for name, value in inputs.items():
        tensor = module.InferInput(name, list(value.shape), triton_dtype(value))
        tensor.set_data_from_numpy(value)
        encoded.append(tensor)
    wanted = None if outputs is None else [module.InferRequestedOutput(name) for name in outputs]
    return {"inputs": encoded, "outputs": wanted}


def decode(result: Any) -> Answer:
    """Read every output tensor of a response, and which version of the model gave it."""
    response = result.get_response()
    if isinstance(response, dict):
        version, names = response["model_version"], [output["name"] for output in response["outputs"]]
    else:
        version, names = response.model_version, [output.name for output in response.outputs]
    return Answer({name: result.as_numpy(name) for name in names}, int(version))


def _check_sendable(name: str, value: object) -> None:
    if not isinstance(value, np.ndarray):
        raise InputError(
            f"input '{name}' is not an array", got=type(value).__name__, expected="a numpy array"
        )
    if not triton_dtype(value):
        raise InputError(
            f"input '{name}' has a type that Triton does not know",
            got=value.dtype,
            hint="Text travels as an object array of UTF-8 bytes",
        )
    if value.dtype == object:
        wrong = next((item for item in value.flat if not isinstance(item, bytes)), None)
        if wrong is not None:
            raise InputError(
                f"input '{name}' holds something that is not bytes",
                got=type(wrong).__name__,
                expected="an object array of bytes",
                hint="Encode text with .encode()",
            )


def _check_size(inputs: Mapping[str, NDArray[Any]]) -> None:
    size = sum(
        sum(map(len, value.flat)) if value.dtype == object else value.nbytes for value in inputs.values()
    )
    if size > MAX_REQUEST_BYTES:
        raise InputError(
            "the request is too large",
            got=f"{size / 2**20:.0f} MiB",
            expected=f"at most {MAX_REQUEST_BYTES // 2**20} MiB",
            hint="Send fewer items in a batch",
        )
