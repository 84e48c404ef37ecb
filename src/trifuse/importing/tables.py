"""Reads CSV, JSON Lines and plain lines, gzipped or not, one row at a time."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from trifuse.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO, TextIO

    from trifuse.importing.job import Job

# What the decoder puts in the place of bytes that are not UTF-8.
_UNDECODABLE = "\ufffd"


def csv_rows(job: Job, path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Read the rows of a CSV file that has at least these columns; bad rows are left out.

    Raises ArtifactError when a column is missing.
    """
    reader = csv.reader(lines(job, path))
    header = next(reader, [])
    if missing := set(columns).difference(header):
        raise ArtifactError(
            f"{path} has no column {', '.join(sorted(missing))}",
            got=", ".join(header)[:200] or "an empty file",
            expected=", ".join(columns),
        )
    for cells in _parsed(job, path, reader):
        if len(cells) != len(header):
            job.leave_out("a row with another number of columns", f"{path.name}, line {reader.line_num}")
        elif _UNDECODABLE in "".join(cells):
            job.leave_out("a row that is not UTF-8", f"{path.name}, line {reader.line_num}")
        else:
            yield dict(zip(header, cells, strict=True))


def _parsed(job: Job, path: Path, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Go on after a row that is not CSV, such as one with a quote that is never closed."""
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            job.leave_out("a row that is not CSV", f"{path.name}: {error}")
        else:
            if cells:
                yield cells


def json_lines(job: Job, path: Path) -> Iterator[dict[str, Any]]:
    """Read the objects of a JSON Lines file; lines that are none are left out."""
    for number, line in enumerate(lines(job, path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line) if _UNDECODABLE not in line else None
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            yield row
        else:
            job.leave_out("a line that is not a JSON object", f"{path.name}, line {number}")


def lines(job: Job, path: Path) -> Iterator[str]:
    """Read a text file line by line; one that is damaged ends where the damage begins."""
    with _opened(job, path) as text:
        try:
            yield from text
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            job.leave_out("the rest of a damaged file", f"{path.name}: {error}")


@contextmanager
def _opened(job: Job, path: Path) -> Iterator[TextIO]:
    with job.progress.open(path, "rb", description=path.name) as raw:
        data = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw
        with io.TextIOWrapper(data, encoding="utf-8-sig", errors="replace", newline="") as text:
            yield text
