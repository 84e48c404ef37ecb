"""Prove that a server answers: one real inference through every ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.client.triton import TritonClient
from trifuse.errors import ServerError, TrifuseError
from trifuse.systems import component

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trifuse.contracts import SystemContract

_TIMEOUT_S = 60


def run_canaries(grpc_url: str, contracts: Iterable[SystemContract]) -> None:
    """Call every ensemble of the systems with its system's canary inputs. Raises ServerError."""
    with TritonClient(grpc_url, timeout_s=_TIMEOUT_S) as client:
        for contract in contracts:
            values = component(contract.system, "client").canary_inputs()
            for ensemble in contract.ensembles:
                model = contract.model_name(ensemble.name)
                try:
                    client.infer(model, {tensor.name: values[tensor.name] for tensor in ensemble.inputs})
                except TrifuseError as error:
                    raise ServerError(f"the canary inference through {model} failed", got=error) from error
