"""The base of the preprocessing models that Triton's Python backend runs."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any, ClassVar

import triton_python_backend_utils as pb_utils

from trifuse.contracts import PREPROCESS
from trifuse.errors import ContractMismatchError, InputError
from trifuse.systems import component, contract


class PreprocessModel:
    """A system's preprocessing as a Triton model; a subclass names the system."""

    system: ClassVar[str]

    def initialize(self, args: dict[str, str]) -> None:
        """Build the preprocessing of the configured profile.

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
        version_folder = Path(args["model_repository"]) / args["model_version"]
        self._preprocess = component(self.system, PREPROCESS).Preprocessor(current, version_folder)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request for itself: bad input is its client's error and nobody else's."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        try:
            inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            arrays = self._preprocess(inputs, request.requested_output_names())
            tensors = [pb_utils.Tensor(name, arrays[name]) for name in request.requested_output_names()]
            return pb_utils.InferenceResponse(tensors)
        except InputError as error:
            return _error(str(error), pb_utils.TritonError.INVALID_ARG)
        except Exception as error:  # noqa: BLE001
            pb_utils.Logger.log_error(traceback.format_exc())
            return _error(f"preprocessing failed: {error!r}", pb_utils.TritonError.INTERNAL)


def _error(message: str, code: int) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
