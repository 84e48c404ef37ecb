"""Transport failures as errors of Trifuse's tree, and which of them are worth another attempt."""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING

from trifuse.errors import InputError, RequestError, RequestTimeoutError, ServerUnavailableError

if TYPE_CHECKING:
    from trifuse.client.endpoint import Endpoint

_REFUSED = {"INVALID_ARGUMENT", "NOT_FOUND", "UNIMPLEMENTED", "400", "404", "413", "501"}
_TIMED_OUT = {"DEADLINE_EXCEEDED", "504"}
_UNAVAILABLE = {"UNAVAILABLE", "503"}
# What Triton and gRPC wrap around the sentence that says what is wrong.
_NOISE = re.compile(
    r"in ensemble '[^']*', |\[request id: [^\]]*\] "
    r"|Failed to process the request\(s\) for model '[^']*', message: "
    r"|^failed to connect to all addresses; last error: [A-Z]+: "
    r"|\[refused\] "
    r"|ipv[46]:\S+: (Failed to connect to remote host: )?"
    r"|\n+At:\n.*",
    re.DOTALL,
)
_FIRST_PAUSE_S = 0.1


def translate(error: Exception, endpoint: Endpoint, timeout_s: float) -> RequestError | InputError:
    """Turn what a transport raised into an error that says what happened and what to do."""
    status = _status(error)
    reason = _reason(error)
    if status in _TIMED_OUT or isinstance(error, TimeoutError):
        return RequestTimeoutError(
            f"the server at {endpoint.url} did not answer within {timeout_s:g} s",
            hint="Allow more time, or send less at once",
        )
    if status in _REFUSED:
        return InputError(reason)
    if status in _UNAVAILABLE or not status:
        return ServerUnavailableError(
            f"no server is ready at {endpoint.url}",
            got=reason.splitlines()[0],
            hint="Start one with `trifuse serve`, or give the address of another",
        )
    return RequestError(f"the server at {endpoint.url} failed", got=reason, hint="See the server's log")


def _status(error: Exception) -> str:
    """Read gRPC's status name or HTTP's status number; "" when no server answered."""
    read = getattr(error, "status", None)
    return str(read() or "").removeprefix("StatusCode.") if callable(read) else ""


def _reason(error: Exception) -> str:
    read = getattr(error, "message", None)
    text = read() if callable(read) else getattr(error, "strerror", None) or error
    return _NOISE.sub("", str(text)).strip().rstrip(".") or type(error).__name__


class Attempts:
    """Keeps one call's time limit and decides whether a failure is followed by another attempt.

    Only an unavailable server is tried again: it has not computed anything, or it has lost the answer of
    a computation that changes nothing.
    """

    def __init__(self, endpoint: Endpoint, timeout_s: float, retries: int) -> None:
        self._endpoint, self._timeout_s, self._retries_left = endpoint, timeout_s, retries
        self._deadline = time.monotonic() + timeout_s
        self._pause_s = _FIRST_PAUSE_S

    def remaining_s(self) -> float:
        """Say how long the call may still take."""
        return max(self._deadline - time.monotonic(), 0.001)

    def pause_after(self, error: Exception) -> float:
        """Return the seconds to wait before the next attempt, or raise the translated error."""
        failure = translate(error, self._endpoint, self._timeout_s)
        pause_s = self._pause_s * random.uniform(0.5, 1)
        if (
            not isinstance(failure, ServerUnavailableError)
            or self._retries_left == 0
            or pause_s > self.remaining_s()
        ):
            raise failure from error
        self._retries_left -= 1
        self._pause_s *= 2
        return pause_s
