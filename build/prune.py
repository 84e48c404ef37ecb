"""Prune a distilled student, with distillation after every step: `python build/prune.py SYSTEM`."""

from __future__ import annotations

from trifuse.reporting import print_metrics
from trifuse.stages.command_line import parse_build
from trifuse.stages.prune import prune
from trifuse.training.distributed import is_main, run


def main() -> None:
    """Run the stage and print what the model reached on the validation part."""
    folder = prune(parse_build(__doc__))
    if is_main():
        print_metrics(folder)


if __name__ == "__main__":
    run(main)
