"""Render model_repository/ again after a change of a contract: `python build/render_repository.py SYSTEM`."""

from __future__ import annotations

import argparse
from pathlib import Path

from trifuse.artifacts import write_file
from trifuse.command_line import run
from trifuse.serving.rendering import definition, gpu_definition
from trifuse.serving.versions import CONFIG

_DEFINITION = Path(__file__).resolve().parent.parent / "model_repository"


def main() -> None:
    """Write the system's config.pbtxt files, and those for GPUs beside them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system")
    system = parser.parse_args().system
    for model, config in definition(system).items():
        write_file(_DEFINITION / model / CONFIG, config)
    for path, config in gpu_definition(system).items():
        write_file(_DEFINITION / path, config)


if __name__ == "__main__":
    run(main)
