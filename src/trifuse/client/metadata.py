"""What a served model takes and gives, and where a refused request differs from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trifuse.client.encoding import triton_dtype
from trifuse.contracts import TensorSpec
from trifuse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class ModelMetadata:
    """A served model's version, batch limit and tensors.

    A batch limit of 0 means that tensors have no batch axis; else it comes before the tensors' `dims`.
    """

    name: str
    version: str
    max_batch_size: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @classmethod
    def parse(cls, metadata: Mapping[str, Any], config: Mapping[str, Any]) -> ModelMetadata:
        """Read the answers of Triton's metadata and configuration calls; gRPC's JSON has numbers as text."""
        return cls(
            name=metadata["name"],
            version=metadata["versions"][-1],
            max_batch_size=int(config.get("max_batch_size", 0)),
            inputs=tuple(map(_tensor, config.get("input", ()))),
            outputs=tuple(map(_tensor, config.get("output", ()))),
        )

    def describe(self, tensor: TensorSpec) -> str:
        """Write a tensor's type and shape for a message, as `FP32 [batch, 3, 224, 224]`."""
        dims = ["batch"] if self.max_batch_size else []
        dims += ["any" if size == -1 else str(size) for size in tensor.dims]
        return f"{tensor.dtype} [{', '.join(dims)}]"


def _tensor(config: Mapping[str, Any]) -> TensorSpec:
    dtype = config["data_type"].removeprefix("TYPE_")
    return TensorSpec(
        name=config["name"],
        dtype="BYTES" if dtype == "STRING" else dtype,
        dims=tuple(map(int, config["dims"])),
        optional=bool(config.get("optional", False)),
    )


def find_mismatch(
    model: ModelMetadata, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None
) -> InputError | None:
    """Explain the first way in which a request does not fit a model, or return None when it fits."""
    checks = (
        _names(model, inputs),
        _tensors(model, inputs),
        _batches(model, inputs),
        _outputs(model, outputs),
    )
    return next((problem for check in checks for problem in check), None)


def _names(model: ModelMetadata, inputs: Mapping[str, NDArray[Any]]) -> Iterator[InputError]:
    known = {tensor.name: tensor for tensor in model.inputs}
    listed = ", ".join(
        f"{name} ({'optional' if tensor.optional else 'required'})" for name, tensor in known.items()
    )
    for name in inputs.keys() - known.keys():
        yield InputError(f"model '{model.name}' has no input '{name}'", expected=listed, hint="Leave it out")
    for tensor in model.inputs:
        if tensor.name not in inputs and not tensor.optional:
            yield InputError(
                f"input '{tensor.name}' of model '{model.name}' is missing",
                got=", ".join(inputs),
                expected=listed,
                hint=f"Add '{tensor.name}' as {model.describe(tensor)}",
            )


def _tensors(model: ModelMetadata, inputs: Mapping[str, NDArray[Any]]) -> Iterator[InputError]:
    for tensor in model.inputs:
        if tensor.name not in inputs:
            continue
        value, where = inputs[tensor.name], f"input '{tensor.name}' of model '{model.name}'"
        got, expected = f"{triton_dtype(value)} {list(value.shape)}", model.describe(tensor)
        if triton_dtype(value) != tensor.dtype:
            yield InputError(
                f"{where} has the wrong type", got=got, expected=expected, hint=_conversion(tensor.dtype)
            )
        dims = value.shape[1:] if model.max_batch_size else value.shape
        if value.ndim == 0 or not _fits(dims, tensor.dims):
            hint = (
                "The first dimension counts the items, even for one" if model.max_batch_size else "Reshape it"
            )
            yield InputError(f"{where} has the wrong shape", got=got, expected=expected, hint=hint)


def _fits(got: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return len(got) == len(expected) and all(
        want in (-1, size) for size, want in zip(got, expected, strict=True)
    )


def _conversion(dtype: str) -> str:
    return "Send an object array of bytes" if dtype == "BYTES" else "Convert the array to that type"


def _batches(model: ModelMetadata, inputs: Mapping[str, NDArray[Any]]) -> Iterator[InputError]:
    if not model.max_batch_size:
        return
    sizes = {name: len(value) for name, value in inputs.items()}
    listed = ", ".join(f"{size} in '{name}'" for name, size in sizes.items())
    if len(set(sizes.values())) > 1:
        yield InputError(
            f"the inputs of model '{model.name}' hold different numbers of items",
            got=listed,
            expected="equal numbers",
        )
    if 0 in sizes.values():
        yield InputError(
            f"the batch for model '{model.name}' is empty", got=listed, expected="at least one item"
        )
    if max(sizes.values()) > model.max_batch_size:
        yield InputError(
            f"the batch is too large for model '{model.name}'",
            got=listed,
            expected=f"at most {model.max_batch_size}",
            hint="Send it in several requests",
        )


def _outputs(model: ModelMetadata, outputs: Sequence[str] | None) -> Iterator[InputError]:
    known = [tensor.name for tensor in model.outputs]
    for name in outputs or ():
        if name not in known:
            yield InputError(
                f"model '{model.name}' has no output '{name}'", expected=f"one of {', '.join(known)}"
            )
