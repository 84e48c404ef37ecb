"""What is every subset of the modalities worth? `python benchmarks/modalities.py SYSTEM --artifacts FOLDER`.

Shows what a stage of the build chain measured on the validation part, with everything else withheld.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from trifuse import systems
from trifuse.artifacts import MANIFEST, digest, read_manifest, stage_folder, write_file
from trifuse.command_line import run
from trifuse.errors import ArtifactError
from trifuse.stages.export import MODEL_STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping


def main() -> None:
    """Print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=systems.available())
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--stage", choices=(*MODEL_STAGES, "quantize"), default=MODEL_STAGES[0])
    parser.add_argument("--output", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args()
    folder = stage_folder(options.artifacts, options.system, options.stage)
    manifest = read_manifest(folder)
    report = manifest.details["report"]
    if "subsets" not in report:
        raise ArtifactError(f"{folder} measured no subsets", got=f"{', '.join(report)}")
    Console().print(table(f"{options.system} {manifest.profile}, {options.stage}", report))
    if options.output:
        origin = {"stage": options.stage, "profile": manifest.profile, "manifest": digest(folder / MANIFEST)}
        write_file(options.output, json.dumps(origin | report, indent=1) + "\n")


def table(title: str, report: Mapping[str, Any]) -> Table:
    """Show a line for every subset."""
    metrics = list(next(iter(report["subsets"].values())))
    caption = f"{report['windows']} windows of the validation part"
    shown = Table("modalities", *metrics, title=title, caption=caption)
    for name, found in report["subsets"].items():
        shown.add_row(name, *(f"{found[metric]:.3f}" for metric in metrics))
    return shown


if __name__ == "__main__":
    run(main)
