"""The catalogue's rows: clean text, no empty columns, a split that follows from the product."""

from __future__ import annotations

import hashlib
from typing import Any

Row = dict[str, Any]

_SPLIT_CYCLE, _VALIDATION_IN_CYCLE = 20, 3


def new_row(**columns: str) -> Row:
    """Make a row of the catalogue from text; columns without a value are left away."""
    cleaned = {name: clean(value) for name, value in columns.items()}
    return {name: value for name, value in cleaned.items() if value}


def clean(text: str) -> str:
    """Put single spaces between words, and nothing into the text that UTF-8 cannot hold."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


def split_of(key: str) -> str:
    """Choose the split of everything that has this key: 3 keys of 20 are for validation.

    It follows from the key alone, so that it is the same in every import and for every photo of a product.
    """
    number = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
    return "validation" if number % _SPLIT_CYCLE < _VALIDATION_IN_CYCLE else "train"
