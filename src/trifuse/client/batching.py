"""Splitting long lists into requests that a server takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Triton's HTTP front end refuses more than 64 MiB a request by default in its newer releases.
MAX_BATCH_BYTES = 48 * 2**20

ItemT = TypeVar("ItemT")


def batches(
    items: Iterable[ItemT],
    max_items: int,
    size: Callable[[ItemT], int],
    max_bytes: int = MAX_BATCH_BYTES,
) -> Iterator[list[ItemT]]:
    """Yield the items in order, at most `max_items` and `max_bytes` at a time; `size` counts an item's bytes.

    An item above `max_bytes` comes alone. Items are read only as far as the next batch needs.
    """
    batch: list[ItemT] = []
    held = 0
    for item in items:
        if batch and (len(batch) == max_items or held + size(item) > max_bytes):
            yield batch
            batch, held = [], 0
        batch.append(item)
        held += size(item)
    if batch:
        yield batch
