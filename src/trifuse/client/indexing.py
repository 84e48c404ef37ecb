"""Embeds a catalogue through the server, a batch at a time, and keeps every result at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track

from trifuse.client.journal import Embedded, item_digest
from trifuse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from trifuse.catalog import Item
    from trifuse.client.journal import Journal

_BATCH = 32
# One batch is on its way or being read from disk while the server works on another.
_IN_FLIGHT = 3


@dataclass
class Outcome:
    """How many items were embedded now, how many were before, and what is wrong with the others, by id."""

    embedded: int = 0
    known: int = 0
    problems: dict[str, str] = field(default_factory=dict)


def embed_items(
    items: Sequence[Item],
    embed: Callable[[Sequence[Item]], list[Embedded]],
    journal: Journal,
    model_version: str,
) -> Outcome:
    """Embed the items that the journal does not hold yet; one that cannot be used does not stop the others.

    `embed` raises InputError for a batch with an item that cannot be used. Other errors of Trifuse's tree are
    raised; what was embedded until then is kept.
    """
    digests = {item.id: item_digest(item, model_version) for item in items}
    missing = journal.missing(digests)
    waiting = [item for item in items if item.id in missing]
    batches = [waiting[start : start + _BATCH] for start in range(0, len(waiting), _BATCH)]
    outcome = Outcome(known=len(items) - len(waiting))
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        try:
            results = pool.map(lambda batch: _embed_usable(batch, embed), batches)
            for batch, found in zip(batches, _shown(results, len(batches)), strict=True):
                rows = [(item.id, digests[item.id], made) for item, made in zip(batch, found, strict=True)]
                journal.store(rows)
                outcome.problems |= {name: made.problem for name, _, made in rows if made.problem is not None}
        finally:
            pool.shutdown(cancel_futures=True)
    outcome.embedded = len(waiting) - len(outcome.problems)
    return outcome


def _shown(made: Iterable[list[Embedded]], total: int) -> Iterable[list[Embedded]]:
    return track(made, "embedding", total=total, console=Console(stderr=True), disable=not total)


def _embed_usable(items: Sequence[Item], embed: Callable[[Sequence[Item]], list[Embedded]]) -> list[Embedded]:
    """Halve a refused batch until the refused items stand alone."""
    try:
        return embed(items)
    except InputError as error:
        if len(items) == 1:
            return [Embedded(problem=str(error))]
        middle = len(items) // 2
        return _embed_usable(items[:middle], embed) + _embed_usable(items[middle:], embed)
