"""Find products that look like a photo."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from trifuse.artifacts import stage_folder
from trifuse.client.command_line import Report, add_common_options, add_result_options, connect, run
from trifuse.systems.product.client import ProductClient
from trifuse.systems.product.hit_report import report

SHEET = stage_folder(Path("artifacts"), "product", "search") / "similar.png"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="a JPEG, PNG or WebP file")
    add_result_options(parser, SHEET)
    add_common_options(parser)
    return run(parser, similar)


def similar(options: argparse.Namespace) -> Report:
    """Ask the server for products like the photo and show them."""
    with connect(options) as triton:
        hits = ProductClient(triton).search(image=options.image, top=options.top)
    return report(str(options.image), hits, options.output)


if __name__ == "__main__":
    sys.exit(main())
