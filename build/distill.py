"""Distil a system's student from its trained teacher: `python build/distill.py SYSTEM`."""

from __future__ import annotations

from trifuse.reporting import print_metrics
from trifuse.stages.command_line import parse_build
from trifuse.stages.distill import distill
from trifuse.training.distributed import is_main, run


def main() -> None:
    """Run the stage and print what the model reached on the validation part."""
    folder = distill(parse_build(__doc__))
    if is_main():
        print_metrics(folder)


if __name__ == "__main__":
    run(main)
