"""Records as JSON lines, on standard output or in a file."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from trifuse.errors import ConfigurationError
from trifuse.systems.surveillance.watch.sinks.outbox import DeliveryError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from trifuse.systems.surveillance.watch.records import Record


class JsonLines:
    """Writes a line a record, at once."""

    def __init__(self, path: Path | None = None) -> None:
        """Open a file to add to, or take standard output. Raises ConfigurationError."""
        self._file: TextIO = sys.stdout if path is None else _opened(path)

    def __call__(self, record: Record) -> None:
        """Write a record. Raises DeliveryError."""
        try:
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise DeliveryError(f"it cannot be written ({error.strerror})", lasting=True) from error


def _opened(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written", got=error.strerror) from error
