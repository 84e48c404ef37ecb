"""Import a published data set: `python build/import_data.py SYSTEM SOURCE FOLDER --output DIR`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from trifuse.command_line import run
from trifuse.importing import import_data, sources, systems


def main() -> None:
    """Import the data set, say what was left out, and print the path of the manifest."""
    parser = argparse.ArgumentParser(
        description="Turn a published data set into a system's data: see docs/importing.md for the sources."
    )
    parser.add_argument("system", choices=systems())
    known = "; ".join(f"{system}: {', '.join(sources(system))}" for system in systems())
    parser.add_argument("source", help=f"the data set ({known})")
    parser.add_argument("folder", type=Path, help="the data set as it is published, unpacked")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    options = parser.parse_args()
    imported = import_data(options.system, options.source, options.folder, options.output)
    sys.stderr.write(imported.report() + "\n")
    print(imported.manifest)


if __name__ == "__main__":
    run(main)
