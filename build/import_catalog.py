"""Import a published data set: `python build/import_catalog.py SOURCE FOLDER --output DIR`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from trifuse.command_line import run
from trifuse.systems.product.importers import available, import_catalog


def main() -> None:
    """Import the data set, say what was left out, and print the path of the manifest."""
    parser = argparse.ArgumentParser(
        description="Turn a published data set into a catalogue: docs/importing.md says where to get which."
    )
    parser.add_argument("source", choices=available())
    parser.add_argument("folder", type=Path, help="the data set as it is published, unpacked")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    options = parser.parse_args()
    imported = import_catalog(options.source, options.folder, options.output)
    sys.stderr.write(imported.report() + "\n")
    print(imported.manifest)


if __name__ == "__main__":
    run(main)
