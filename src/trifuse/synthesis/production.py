"""Makes many files at once: one process a core, with progress, and lists of what was made."""

from __future__ import annotations

import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track

from trifuse.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path


def make_all(
    make: Callable[[Any], None],
    jobs: Sequence[object],
    title: str,
    workers: int | None = None,
    chunk: int = 1,
) -> None:
    """Make every job, `chunk` at a time in each of the worker processes (default: one a core)."""
    workers = min(workers or len(os.sched_getaffinity(0)), -(-len(jobs) // chunk))
    with ExitStack() as stack:
        done: Iterable[None] = map(make, jobs)
        if workers > 1:
            # Spawned, not forked: a fork would copy the locks of threads that the caller may run.
            pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
            done = stack.enter_context(pool).map(make, jobs, chunksize=chunk)
        for _ in track(done, title, total=len(jobs), console=Console(stderr=True)):
            pass


def refuse_foreign(listing: Path, column: str, first: object) -> None:
    """Keep a list that someone else made: a generator's own starts with its `first` value of a column.

    Raises ConfigurationError.
    """
    if not listing.is_file():
        return
    line = listing.open(encoding="utf-8").readline()
    if json.loads(line or "{}").get(column) != first:
        raise ConfigurationError(
            "the folder holds other data", got=listing, hint="Generate into another folder with --output"
        )


def remove_unfinished(folder: Path, suffixes: Sequence[str]) -> None:
    """Remove what a killed run was about to write; `write_file` gives such files a leading dot."""
    for suffix in suffixes:
        for leftover in folder.rglob(f".*.{suffix}.*"):
            leftover.unlink()


def json_lines(rows: Iterable[Mapping[str, object]]) -> str:
    """Write rows as JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
