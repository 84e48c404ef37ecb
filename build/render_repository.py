"""Render model_repository/ again after a change of a contract: `python build/render_repository.py SYSTEM`."""

from __future__ import annotations

import argparse
from pathlib import Path

from trifuse.artifacts import write_file
from trifuse.command_line import run
from trifuse.serving.rendering import definition
from trifuse.serving.versions import CONFIG

_DEFINITION = Path(__file__).resolve().parent.parent / "model_repository"


def main() -> None:
    """Write the system's config.pbtxt files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system")
    for model, config in definition(parser.parse_args().system).items():
        write_file(_DEFINITION / model / CONFIG, config)


if __name__ == "__main__":
    run(main)
