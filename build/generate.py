"""Generate a system's data: `python build/generate.py SYSTEM --output DIR [--items N] [--seed S]`."""

from __future__ import annotations

import argparse
from pathlib import Path

from trifuse.command_line import run
from trifuse.systems import available, component


def main() -> None:
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
    print(generator.generate(options.output, items=items, seed=options.seed))


if __name__ == "__main__":
    run(main)
