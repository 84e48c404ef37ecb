"""What tritonserver's log says about a failure."""

from __future__ import annotations

import json
import re

_ERROR = re.compile(r'^E\d{4} \S+ +\d+ \S+\] (".*")$')
_WITHOUT_GPU = ("CudaDriverHelper has not been", "unable to create stream for")
# What another line says too, with the model that it is about.
_REPETITIONS = ("ERROR: Failed to create instance:", "Invalid argument: ensemble ")
_TABLE = ("+", "|")
_LAST_LINES = 10
_CRASH = "Signal ("


def failure_reasons(log: str) -> list[str]:
    """Collect the errors that the server logged, each as one line; without any, the log's last lines."""
    matches = (_ERROR.match(line) for line in log.splitlines())
    messages = dict.fromkeys(_message(match[1]) for match in matches if match)
    errors = [message for message in messages if not message.startswith(_WITHOUT_GPU)]
    reasons = [error for error in errors if not error.startswith(_REPETITIONS)]
    prose = [line for line in log.splitlines() if line and not line.startswith(_TABLE)]
    crash = [line for line in prose if line.startswith(_CRASH)]
    return reasons or errors or crash or prose[-_LAST_LINES:]


def _message(quoted: str) -> str:
    message: str = json.loads(quoted)
    # A Python model's traceback follows its message.
    return " ".join(message.partition("\n\nAt:\n")[0].split())
