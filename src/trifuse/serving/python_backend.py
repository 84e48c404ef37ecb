"""The bases of the models that Triton's Python backend runs: preprocessing, and services over data."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import triton_python_backend_utils as pb_utils

from trifuse.contracts import PREPROCESS
from trifuse.errors import ContractMismatchError, InputError, RequestError
from trifuse.systems import component, contract

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract

# Triton 2.51 tells a model that calls another one only the message of an error, not its code.
_REFUSED = "[refused] "


class _Model:
    """A model that answers each request for itself: bad input is its client's error and nobody else's."""

    system: ClassVar[str]

    def initialize(self, args: dict[str, str]) -> None:
        """Build what answers, for the configured profile.

        Raises ContractMismatchError when the model was published under another contract than this code's.
        """
        parameters = json.loads(args["model_config"])["parameters"]
        profile, published = (parameters[name]["string_value"] for name in ("profile", "contract_hash"))
        current = contract(self.system, profile)
        if current.hash != published:
            raise ContractMismatchError(
                f"{args['model_name']} was published under another contract",
                got=f"{profile} {published}",
                expected=f"{profile} {current.hash}",
                hint="Export and publish again, or serve with the version of trifuse that published it",
            )
        self._name = args["model_name"]
        self._answer = self._build(current, Path(args["model_repository"]) / args["model_version"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests, one after the other."""
        return [self._respond(request) for request in requests]

    def _build(self, current: SystemContract, folder: Path) -> Any:
        raise NotImplementedError

    def _respond(self, request: Any) -> Any:
        try:
            inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            arrays = self._answer(inputs, request.requested_output_names())
            tensors = [pb_utils.Tensor(name, arrays[name]) for name in request.requested_output_names()]
            return pb_utils.InferenceResponse(tensors)
        except InputError as error:
            return _error(f"{_REFUSED}{error}", pb_utils.TritonError.INVALID_ARG)
        except Exception as error:  # noqa: BLE001
            pb_utils.Logger.log_error(traceback.format_exc())
            return _error(f"{self._name} failed: {error!r}", pb_utils.TritonError.INTERNAL)


class PreprocessModel(_Model):
    """A system's preprocessing as a Triton model; a subclass names the system."""

    def _build(self, current: SystemContract, folder: Path) -> Any:
        return component(self.system, PREPROCESS).Preprocessor(current, folder)


class ServiceModel(_Model):
    """A system's service as a Triton model; a subclass names the system and the service.

    The service is the class `Service` of the system's module of that name, made from the contract, the folder
    of the model's version, and `call`, which runs other models of the system.
    """

    service: ClassVar[str]

    def _build(self, current: SystemContract, folder: Path) -> Any:
        def call(
            name: str,
            inputs: Mapping[str, NDArray[np.generic]],
            outputs: Collection[str],
            version: int = -1,
        ) -> dict[str, NDArray[Any]]:
            return call_model(current.model_name(name), inputs, outputs, version)

        return component(self.system, self.service).Service(current, folder, call)


def call_model(
    model: str, inputs: Mapping[str, NDArray[np.generic]], outputs: Collection[str], version: int
) -> dict[str, NDArray[Any]]:
    """Run another model of this server. Raises InputError for what it refuses, else RequestError."""
    request = pb_utils.InferenceRequest(
        model_name=model,
        model_version=version,
        inputs=[pb_utils.Tensor(name, value) for name, value in inputs.items()],
        requested_output_names=list(outputs),
    )
    response = request.exec()
    if response.has_error():
        message = response.error().message()
        if _REFUSED in message:
            raise InputError(message.partition(_REFUSED)[2])
        raise RequestError(f"{model} failed", got=message)
    return {name: pb_utils.get_output_tensor_by_name(response, name).as_numpy() for name in outputs}


def _error(message: str, code: int) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
