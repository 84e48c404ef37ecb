"""Recommend products for a purchase history, with the reason for each."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from trifuse.artifacts import stage_folder
from trifuse.client.command_line import Report, add_common_options, connect, positive, run
from trifuse.client.contact_sheet import Entry, write_contact_sheet
from trifuse.errors import InputError
from trifuse.systems.product.client import ProductClient

if TYPE_CHECKING:
    from trifuse.systems.product.calls import Recommended

_KINDS: dict[type, str] = {list: "list", dict: "object"}
SHEET = stage_folder(Path("artifacts"), "product", "search") / "recommendations.png"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--history",
        metavar="JSON",
        default="[]",
        help='such as [{"product_id": "p00012", "time": "2026-01-31"}], or @FILE; default: none',
    )
    parser.add_argument("--filters", metavar="JSON", help='such as {"in_stock": true}')
    parser.add_argument(
        "--top", type=positive(int), default=12, help="number of products (default: %(default)s)"
    )
    parser.add_argument("--output", type=Path, default=SHEET, help="the PNG to write (default: %(default)s)")
    add_common_options(parser)
    return run(parser, recommend)


def recommend(options: argparse.Namespace) -> Report:
    """Ask the server for recommendations and show them."""
    history = read_json(options.history, "history", list)
    filters = read_json(options.filters, "filters", dict) if options.filters else None
    with connect(options) as triton:
        found = ProductClient(triton).recommend(history, top=options.top, filters=filters)
    entries = [Entry(path(item), item.score, (why(item), item.document["title_en"])) for item in found]
    if entries:
        write_contact_sheet(options.output, entries, f"for {len(history)} purchases")
    data = {"purchases": len(history), "results": [row(item) for item in found]}
    return Report(
        data | {"contact_sheet": str(options.output) if entries else None}, table(found, options.output)
    )


def read_json(text: str, name: str, kind: type) -> Any:
    """Read an option's JSON, or a file's. Raises InputError."""
    try:
        value = json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except (OSError, ValueError) as error:
        raise InputError(f"--{name} is not JSON", got=error) from error
    if not isinstance(value, kind):
        raise InputError(f"--{name} is something else", got=value, expected=f"a JSON {_KINDS[kind]}")
    return value


def table(found: list[Recommended], sheet: Path) -> Table:
    """Show each product with the parts of its score and the reason."""
    shown = Table("rank", "product", "score", "title", "why", caption=f"contact sheet: {sheet}")
    for rank, item in enumerate(found, 1):
        title = "\n".join(filter(None, (item.document["title_zh"], item.document["title_en"])))
        shown.add_row(str(rank), item.product, f"{item.score:.3f}", title, why(item))
    return shown


def row(item: Recommended) -> dict[str, Any]:
    """Describe a recommendation as data."""
    parts = {"product": item.product, "score": item.score, "parts": item.parts, "because_of": item.because_of}
    return parts | {"document": item.document}


def why(item: Recommended) -> str:
    """Say the reason in words."""
    if item.because_of == item.product:
        return "bought again and again"
    return f"because you bought {item.because_of}" if item.because_of else "popular"


def path(item: Recommended) -> Path:
    """Find the product's photo."""
    return Path(item.document["path"])


if __name__ == "__main__":
    sys.exit(main())
