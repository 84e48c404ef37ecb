"""Tell a server that runs to load what was published, through Triton's model repository API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from trifuse.client.endpoint import Endpoint
from trifuse.client.failures import translate
from trifuse.errors import InputError, ServerError

if TYPE_CHECKING:
    from trifuse.contracts import SystemContract

# Loading a model takes as long as reading its weights.
_LOAD_TIMEOUT_S = 600
_NO_ANSWER_S = 10
NOT_TOLD = "A server that is running serves what it has loaded until it is restarted, or told with --url."


class LiveServer:
    """A running server that serves the repository and whose model control mode is explicit."""

    def __init__(self, url: str) -> None:
        self._endpoint = Endpoint.parse(url, "grpc")
        self._connection = self._endpoint.connect(_LOAD_TIMEOUT_S)

    def __enter__(self) -> Self:
        """Raises ServerUnavailableError when no server answers."""
        self._call("is_server_live", timeout_s=_NO_ANSWER_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def load_parts(self, contract: SystemContract, version: int) -> None:
        """Load a version of the preprocessing and of the parts, beside the versions that serve.

        Raises ServerError for a model that cannot be loaded, or when the server serves another folder.
        """
        for model in (contract.preprocess, *contract.parts):
            self.load_version(contract.model_name(model.name), version)

    def load_ensembles(self, contract: SystemContract, version: int) -> None:
        """Load the ensembles, one after the other, as the repository now configures them.

        Raises ServerError.
        """
        for ensemble in contract.ensembles:
            self.load_version(contract.model_name(ensemble.name), version)

    def is_ready(self, model: str) -> bool:
        """Say whether the server has loaded a model."""
        return bool(self._call("is_model_ready", model))

    def load(self, model: str) -> None:
        """Load a model as the repository has it. Raises ServerError."""
        self._call("load_model", model)

    def load_version(self, model: str, version: int) -> None:
        """Load a model, and check that this version of it is loaded then. Raises ServerError."""
        try:
            self.load(model)
            loaded = self._call("get_model_metadata", model).versions
        except InputError as error:
            raise ServerError(f"the server at {self._endpoint.url} cannot load {model}", got=error) from error
        if str(version) not in loaded:
            raise ServerError(
                f"the server at {self._endpoint.url} does not find version {version} of {model}",
                got=f"version {', '.join(loaded)}",
                hint="Does it serve the repository that was published to?",
            )

    def _call(self, method: str, *arguments: object, timeout_s: float = _LOAD_TIMEOUT_S) -> Any:
        try:
            return getattr(self._connection, method)(*arguments, client_timeout=timeout_s)
        except self._endpoint.errors() as error:
            raise translate(error, self._endpoint, timeout_s) from error
