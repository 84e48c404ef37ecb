"""Generate a system's data: `python build/generate.py SYSTEM --output DIR [--items N] [--seed S]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from trifuse.errors import TrifuseError
from trifuse.systems import available, component


def main() -> int:
    """Generate the data and print the path of its manifest."""
    parser = argparse.ArgumentParser(description="Generate a system's data: real files and a manifest.")
    parser.add_argument("system", choices=available())
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--items", type=int, metavar="N", help="lines of the manifest (default: the system's own)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    options = parser.parse_args()
    generator = component(options.system, "generator")
    items = generator.DEFAULT_ITEMS if options.items is None else options.items
    try:
        print(generator.generate(options.output, items=items, seed=options.seed))
    except TrifuseError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
