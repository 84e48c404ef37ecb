"""Prove that a server answers: one real inference through every ensemble, with numbers as the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.client.triton import TritonClient
from trifuse.errors import ServerError, TrifuseError
from trifuse.systems import component

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract

_TIMEOUT_S = 60


def run_canaries(grpc_url: str, contracts: Iterable[SystemContract]) -> None:
    """Call every ensemble of the systems with its system's canary inputs.

    Raises ServerError when one fails or when a number in its answer is not finite.
    """
    with TritonClient(grpc_url, timeout_s=_TIMEOUT_S) as client:
        for contract in contracts:
            values = component(contract.system, "client").canary_inputs()
            for ensemble in contract.ensembles:
                model = contract.model_name(ensemble.name)
                try:
                    answer = client.infer(
                        model, {tensor.name: values[tensor.name] for tensor in ensemble.inputs}
                    )
                except TrifuseError as error:
                    raise ServerError(f"the canary inference through {model} failed", got=error) from error
                _check_finite(model, answer)


def _check_finite(model: str, answer: Mapping[str, NDArray[Any]]) -> None:
    for name, value in answer.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            wrong = value[~np.isfinite(value)]
            raise ServerError(
                f"the canary inference through {model} gave no numbers in '{name}'",
                got=f"{wrong.size} of {value.size} values like {wrong[0]}",
                expected="finite values",
            )
