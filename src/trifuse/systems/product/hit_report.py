"""Shows what a search found: as data, as a table and as a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from trifuse.client.command_line import Report
from trifuse.client.contact_sheet import Entry, write_contact_sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trifuse.systems.product.client import Hit

_PARTS = ("similarity", "match", "lexical")


def report(heading: str, hits: Sequence[Hit], sheet: Path) -> Report:
    """Draw the hits as a contact sheet and describe them; no hits, no sheet."""
    data: dict[str, Any] = {
        "query": heading,
        "contact_sheet": None,
        "results": list(map(_row, hits, _ranks(hits))),
    }
    if not hits:
        return Report(data, f"Nothing in the catalogue is near enough to: {heading}")
    write_contact_sheet(sheet, [Entry(_path(hit), hit.similarity, _titles(hit)) for hit in hits], heading)
    data |= {"contact_sheet": str(sheet), "index_version": hits[0].index_version}
    return Report(data, _table(heading, hits, sheet))


def _table(heading: str, hits: Sequence[Hit], sheet: Path) -> Table:
    table = Table(
        "rank", *_PARTS, "id", "title", "variants", title=heading, caption=f"contact sheet: {sheet}"
    )
    for rank, hit in zip(_ranks(hits), hits, strict=True):
        parts = ["" if (value := getattr(hit, part)) is None else f"{value:.3f}" for part in _PARTS]
        titles = "\n".join(filter(None, _titles(hit)))
        table.add_row(str(rank), *parts, hit.id, titles, str(len(hit.variants) or ""))
    return table


def _row(hit: Hit, rank: int) -> dict[str, Any]:
    parts = {part: getattr(hit, part) for part in ("score", *_PARTS)}
    return {"rank": rank, **parts, **hit.document, "variants": list(hit.variants)}


def _ranks(hits: Sequence[Hit]) -> range:
    return range(1, len(hits) + 1)


def _path(hit: Hit) -> Path:
    return Path(hit.document["path"])


def _titles(hit: Hit) -> tuple[str, str]:
    return hit.document["title_zh"], hit.document["title_en"]
