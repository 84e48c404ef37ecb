"""Measure quality through a running server: `python benchmarks/quality.py SYSTEM --data FOLDER`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from trifuse import systems
from trifuse.artifacts import digest
from trifuse.catalog import find_manifest
from trifuse.client.command_line import Report, add_common_options, connect, run
from trifuse.reporting import machine


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=systems.available())
    parser.add_argument("--data", type=Path, required=True, help="the data's manifest.jsonl, or its folder")
    parser.add_argument("--split", default="validation", help="default: %(default)s")
    add_common_options(parser)
    return run(parser, measure)


def measure(options: argparse.Namespace) -> Report:
    """Let the system measure itself on the split."""
    manifest = find_manifest(options.data)
    quality = systems.component(options.system, "served_quality")
    contract = systems.contract(options.system, systems.PROFILES[0])
    models = [contract.model_name(ensemble.name) for ensemble in contract.ensembles]
    with connect(options) as triton:
        versions = {model: triton.metadata(model).version for model in models}
        report = quality.measure(triton, manifest, options.split)
    origin = {
        "system": options.system,
        "machine": machine(),
        "versions": versions,
        "data": digest(manifest),
        "split": options.split,
    }
    return Report(origin | report, quality.table(report))


if __name__ == "__main__":
    sys.exit(main())
