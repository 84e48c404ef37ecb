"""Recommend products for a purchase history, with the reason for each."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from trifuse.artifacts import stage_folder
from trifuse.client.command_inputs import read_filters
from trifuse.client.command_line import Report, add_common_options, add_result_options, connect, run
from trifuse.client.contact_sheet import Entry, write_contact_sheet
from trifuse.client.encoding import file_bytes
from trifuse.errors import InputError
from trifuse.retrieval.json_input import read_json
from trifuse.systems.product.client import ProductClient

if TYPE_CHECKING:
    from trifuse.systems.product.calls import Recommended

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
    add_result_options(parser, SHEET, top=12)
    add_common_options(parser)
    return run(parser, recommend)


def recommend(options: argparse.Namespace) -> Report:
    """Ask the server for recommendations and show them."""
    history, filters = read_history(options.history), read_filters(options.filters)
    with connect(options) as triton:
        found = ProductClient(triton).recommend(history, top=options.top, filters=filters)
    entries = [Entry(path(item), item.score, (why(item), item.document["title_en"])) for item in found]
    if entries:
        write_contact_sheet(options.output, entries, f"for {len(history)} purchases")
    data = {"purchases": len(history), "results": [row(item) for item in found]}
    return Report(
        data | {"contact_sheet": str(options.output) if entries else None}, table(found, options.output)
    )


def read_history(text: str) -> list[dict[str, str]]:
    """Read purchases from JSON, or from a file that holds it. Raises InputError."""
    content = file_bytes(Path(text[1:])) if text.startswith("@") else text
    history = read_json(content, "history")
    if not isinstance(history, list):
        raise InputError("the history is something else", got=history, expected="a JSON list")
    return history


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
