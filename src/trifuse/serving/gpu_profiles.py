"""The shapes that TensorRT optimises a part for, taken from the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from trifuse.contracts import PREPROCESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trifuse.contracts import ModelSpec, SystemContract, TensorSpec

# What gathers in a queue under load; kernels are chosen for it.
USUAL_BATCH = 8
# Of a varying axis that the contract gives no size.
_UNNAMED_SIZES = (1, 32, 512)


class Shapes(NamedTuple):
    """The least, the usual and the largest shape of an input, batch axis first."""

    least: tuple[int, ...]
    usual: tuple[int, ...]
    largest: tuple[int, ...]


Profile = dict[str, Shapes]


def shape_profiles(contract: SystemContract, part: ModelSpec) -> tuple[Profile, Profile]:
    """Give a part's optimisation profiles, shapes by input: optimal for one item, and for the usual batch.

    Both take every batch up to the largest; Triton uses the one whose usual shape is closest. A varying axis
    goes over the sizes that another tensor of the same name has in the contract, else over the text lengths.
    """
    largest = contract.max_batch_size
    batches = ((1, 1, largest), (1, min(USUAL_BATCH, largest), largest))
    one, many = (
        {tensor.name: _shapes(contract, tensor, batch) for tensor in part.inputs} for batch in batches
    )
    return one, many


def _shapes(contract: SystemContract, tensor: TensorSpec, batch: tuple[int, int, int]) -> Shapes:
    axes = [_range(contract, tensor, axis) for axis in range(len(tensor.dims))]
    return Shapes(*((size, *(axis[which] for axis in axes)) for which, size in enumerate(batch)))


def _range(contract: SystemContract, tensor: TensorSpec, axis: int) -> tuple[int, int, int]:
    """Give the least, the usual and the largest size of an axis."""
    if tensor.dims[axis] != -1:
        return (tensor.dims[axis],) * 3
    sizes = sorted(_declared(contract, tensor.name, axis)) or _text_lengths(contract)
    return sizes[0], sizes[len(sizes) // 2], sizes[-1]


def _declared(contract: SystemContract, name: str, axis: int) -> set[int]:
    found = {tensor.dims[axis] for tensor in _tensors(contract) if tensor.name == name}
    # A service's dims are whole shapes, items first.
    found |= {
        tensor.dims[axis + 1]
        for service in contract.services
        for tensor in (*service.inputs, *service.outputs)
        if tensor.name == name and len(tensor.dims) > axis + 1
    }
    return found - {-1}


def _tensors(contract: SystemContract) -> Iterator[TensorSpec]:
    for model in (contract.model(PREPROCESS), *contract.parts):
        yield from (*model.inputs, *model.outputs)


def _text_lengths(contract: SystemContract) -> tuple[int, ...]:
    return cast("tuple[int, ...]", contract.settings.get("text_lengths", _UNNAMED_SIZES))
