"""Search the indexed products with a text, a photo or both, and draw the best as a contact sheet."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from trifuse.artifacts import stage_folder
from trifuse.client.command_inputs import read_filters
from trifuse.client.command_line import Report, add_common_options, add_result_options, connect, run
from trifuse.systems.product.client import ProductClient
from trifuse.systems.product.hit_report import report

SHEET = stage_folder(Path("artifacts"), "product", "search") / "contact_sheet.png"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", nargs="?", metavar="TEXT", help="what to look for, Chinese or English")
    parser.add_argument("--image", type=Path, metavar="FILE", help="look for products like this photo")
    parser.add_argument(
        "--filters",
        metavar="JSON",
        help='such as {"category": "dress", "price": {"max": 200}, "colour": ["white", "beige"]}',
    )
    parser.add_argument(
        "--rerank",
        action=argparse.BooleanOptionalAction,
        help="score each candidate with the text (default: the index's)",
    )
    parser.add_argument("--no-words", action="store_true", help="compare meanings only, not words")
    parser.add_argument("--weak", action="store_true", help="show hits below the index's threshold, too")
    add_result_options(parser, SHEET)
    add_common_options(parser)
    return run(parser, search)


def search(options: argparse.Namespace) -> Report:
    """Ask the server for the best products and show them."""
    chosen: dict[str, Any] = {"top": options.top, "lexical": not options.no_words, "weak": options.weak}
    if options.rerank is not None:
        chosen["rerank"] = options.rerank
    with connect(options) as triton:
        hits = ProductClient(triton).search(
            options.text, options.image, filters=read_filters(options.filters), **chosen
        )
    heading = " + ".join(str(part) for part in (options.text, options.image) if part)
    return report(heading, hits, options.output)


if __name__ == "__main__":
    sys.exit(main())
