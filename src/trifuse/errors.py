"""The exception tree: every failure that Trifuse reports on purpose derives from `TrifuseError`."""

from __future__ import annotations


class TrifuseError(Exception):
    """A failure with what was wrong, what was found, what was expected and what to do next."""

    exit_code = 1

    def __init__(
        self, problem: str, *, got: object = None, expected: object = None, hint: str | None = None
    ) -> None:
        self.problem, self.got, self.expected, self.hint = problem, got, expected, hint
        super().__init__(problem, got, expected, hint)

    def __str__(self) -> str:
        text = self.problem
        details = [
            f"{label} {value}"
            for label, value in (("got", self.got), ("expected", self.expected))
            if value is not None
        ]
        if details:
            text += ": " + ", ".join(details)
        return f"{text}. {self.hint}" if self.hint else text


class InputError(TrifuseError):
    """A client sent something that cannot be used; Triton reports it as INVALID_ARGUMENT."""

    exit_code = 3

    def located(self, name: str, index: int, batch: int) -> InputError:
        """Say too which input it was, and which item of a batch."""
        where = f"input '{name}'" + (f", item {index} of {batch}" if batch > 1 else "")
        return InputError(f"{where}: {self.problem}", got=self.got, expected=self.expected, hint=self.hint)


class ConfigurationError(TrifuseError):
    """A recipe, a setting or a name on the command line is wrong."""

    exit_code = 2


class ArtifactError(TrifuseError):
    """A file that a stage needs is missing, incomplete or altered."""


class ContractMismatchError(ArtifactError):
    """An artifact was made under another contract than the one in use."""


class ExportError(TrifuseError):
    """An exported model does not compute what its source computes."""


class ToleranceError(TrifuseError):
    """A compression step costs more quality than its recipe allows."""


class DistributedError(TrifuseError):
    """A process of a distributed training run was lost."""


class EnvironmentSetupError(TrifuseError):
    """Something that this machine needs is not installed."""


class ServerError(TrifuseError):
    """The inference server could not be started or stopped working."""


class RequestError(TrifuseError):
    """A request to the inference server failed."""

    exit_code = 5


class ServerUnavailableError(RequestError):
    """No server answers at the address."""

    exit_code = 4


class RequestTimeoutError(RequestError):
    """The server did not answer in time."""

    exit_code = 6
