"""Say how well a product photo and a text belong together."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from trifuse.client.command_line import Report, add_common_options, connect, run
from trifuse.systems.product.client import ProductClient


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="a JPEG, PNG or WebP file")
    parser.add_argument("text", metavar="TEXT", help="a title or a description, Chinese or English")
    add_common_options(parser)
    return run(parser, match)


def match(options: argparse.Namespace) -> Report:
    """Ask the server for the probability that photo and text show the same product."""
    with connect(options) as triton:
        result = ProductClient(triton).match(options.image, options.text)
    verdict = "match" if result.is_match else "no match"
    data = {
        "image": str(options.image),
        "text": options.text,
        "score": result.score,
        "verdict": verdict,
        "version": result.version,
    }
    return Report(data, f"{verdict} (score {result.score:.3f}, version {result.version})")


if __name__ == "__main__":
    sys.exit(main())
