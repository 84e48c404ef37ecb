"""Export a trained system to ONNX and compare it with torch: `python build/export_onnx.py SYSTEM`."""

from __future__ import annotations

import argparse
from pathlib import Path

from trifuse import systems
from trifuse.artifacts import read_manifest
from trifuse.command_line import run
from trifuse.export import stage


def main() -> None:
    """Export and print each part's size and its largest difference from torch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=systems.available())
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    arguments = parser.parse_args()
    folder = stage.export(arguments.system, arguments.artifacts)
    manifest = read_manifest(folder)
    for part, parity in manifest.details["parity"].items():
        size_mb = manifest.sizes[f"{part}.onnx"] / 1e6
        print(
            f"{part}.onnx: {size_mb:.1f} MB, differs from torch by {parity['largest_difference']:.1e} at most"
        )


if __name__ == "__main__":
    run(main)
