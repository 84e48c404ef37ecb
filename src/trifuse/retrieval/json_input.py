"""Reads JSON that a client sent."""

from __future__ import annotations

import json
from typing import Any

from trifuse.errors import InputError

_SHOWN = 80


def read_json(text: str | bytes, name: str, hint: str | None = None) -> Any:
    """Parse a client's JSON. Raises InputError, also for what is no Unicode or nested too deeply."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        shown = repr(text[:_SHOWN])
        raise InputError(f"the {name} cannot be read as JSON", got=f"{shown}: {error}", hint=hint) from error
    return value
