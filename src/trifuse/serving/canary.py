"""Prove that a server answers: one real inference through every ensemble and every published service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tritonclient.utils import triton_to_np_dtype

from trifuse.client.triton import TritonClient
from trifuse.errors import InputError, ServerError, TrifuseError
from trifuse.systems import component

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from trifuse.contracts import ServiceSpec, SystemContract, TensorSpec

_TIMEOUT_S = 60
# Something between nothing and much.
_VARYING = 1000


def run_canaries(grpc_url: str, contracts: Iterable[SystemContract]) -> None:
    """Call every ensemble and every published service of the systems with the systems' canary inputs.

    Raises ServerError when one fails or when a number in an ensemble's answer is not finite.
    """
    with TritonClient(grpc_url, timeout_s=_TIMEOUT_S) as client:
        for contract in contracts:
            values = canary_values(
                contract.system, (spec for found in contract.ensembles for spec in found.inputs)
            )
            for ensemble in contract.ensembles:
                model = contract.model_name(ensemble.name)
                try:
                    answer = client.infer(
                        model, {tensor.name: values[tensor.name] for tensor in ensemble.inputs}
                    )
                except TrifuseError as error:
                    raise ServerError(f"the canary inference through {model} failed", got=error) from error
                _check_finite(model, answer)
            for service in contract.services:
                _try_service(client, contract.model_name(service.name), service, values)


def canary_values(system: str, inputs: Iterable[TensorSpec]) -> dict[str, NDArray[Any]]:
    """Make one item for each of these inputs: the system's canary inputs, and zeros for other numbers."""
    numbers = {
        tensor.name: np.zeros(
            (1, *(_VARYING if dim == -1 else dim for dim in tensor.dims)), triton_to_np_dtype(tensor.dtype)
        )
        for tensor in inputs
        if tensor.dtype != "BYTES"
    }
    values: dict[str, NDArray[Any]] = component(system, "client").canary_inputs()
    return numbers | values


def _try_service(
    client: TritonClient, model: str, service: ServiceSpec, values: Mapping[str, NDArray[Any]]
) -> None:
    """Call a service once, if it was published."""
    try:
        client.metadata(model)
    except InputError:
        return
    inputs = {tensor.name: values[tensor.name][0] for tensor in service.inputs if tensor.name in values}
    try:
        client.infer(model, inputs)
    except TrifuseError as error:
        raise ServerError(f"the canary inference through {model} failed", got=error) from error


def _check_finite(model: str, answer: Mapping[str, NDArray[Any]]) -> None:
    for name, value in answer.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            wrong = value[~np.isfinite(value)]
            raise ServerError(
                f"the canary inference through {model} gave no numbers in '{name}'",
                got=f"{wrong.size} of {value.size} values like {wrong[0]}",
                expected="finite values",
            )
