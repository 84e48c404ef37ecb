"""The manifest's rows: clean text, no empty columns, a split that follows from the row's source."""

from __future__ import annotations

import hashlib
from typing import Any

Row = dict[str, Any]

_SPLIT_CYCLE = 20


def new_row(**columns: str) -> Row:
    """Make a row of the manifest from text; columns without a value are left away."""
    cleaned = {name: clean(value) for name, value in columns.items()}
    return {name: value for name, value in cleaned.items() if value}


def clean(text: str) -> str:
    """Put single spaces between words, and nothing into the text that UTF-8 cannot hold."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


def split_of(key: str, validation_of_20: int = 3) -> str:
    """Choose the split of everything that has this key: 3 keys of 20, unless told, are for validation.

    It follows from the key alone, so that it is the same in every import and for all that has one source.
    """
    return "validation" if number_of(key) % _SPLIT_CYCLE < validation_of_20 else "train"


def number_of(key: str) -> int:
    """Hash a text to a number of 64 bits that is the same in every process and on every machine."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
