"""Generates what cameras record: movies with sound and subtitles, their manifest, and long recordings."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING

from trifuse.artifacts import write_file
from trifuse.catalog import MANIFEST_NAME
from trifuse.errors import ConfigurationError
from trifuse.synthesis.movie import has_stamp
from trifuse.synthesis.production import json_lines, make_all, refuse_foreign, remove_unfinished
from trifuse.systems.surveillance.footage import recordings
from trifuse.systems.surveillance.footage.clips import Clip, film_clip
from trifuse.systems.surveillance.footage.sources import CLIPS_PER_SOURCE, ClipSource, TakeSource, sources
from trifuse.systems.surveillance.footage.takes import WINDOWS_PER_TAKE, film_take, take_path, take_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEFAULT_ITEMS = 2000
RECORDINGS_NAME = "recordings.jsonl"

# Counts changes of what is recorded: files of another revision are made again.
_REVISION = 1
_SUFFIXES = ("mp4", "srt", "vtt")


def generate(output: Path, *, items: int, seed: int, workers: int | None = None) -> Path:
    """Record `items` windows into a folder and return its manifest, which is written after the files.

    A fifth of the windows are cut out of files of about a minute; the others are files of their own. Equal
    seeds give equal files, whatever the number of workers (default: one a core). Files of the seed that are
    already there are kept, so that a stopped run goes on. Raises ConfigurationError.
    """
    if items < 1 or seed < 0:
        raise ConfigurationError(
            "such recordings cannot be generated",
            got=f"{items} items, seed {seed}",
            expected="items >= 1 and seed >= 0",
        )
    manifest = output / MANIFEST_NAME
    chosen = list(_take(items))
    refuse_foreign(manifest, "path", _rows(chosen[0], seed)[0]["path"])
    manifest.unlink(missing_ok=True)
    remove_unfinished(output, _SUFFIXES)
    make_all(partial(_record, output, seed), chosen, "Recording clips", workers)
    rows = itertools.islice(itertools.chain.from_iterable(_rows(source, seed) for source in chosen), items)
    write_file(manifest, json_lines(rows))
    return manifest


def write_recordings(output: Path, *, minutes: float, incidents: int, seed: int) -> Path:
    """Record long files with a number of incidents of all events into a folder and return their list.

    `minutes` is the length of all files together, most of which last 4 to 8 minutes. The list,
    `recordings.jsonl`, tells for each file when its incidents happen, in seconds, and where bags are left.
    Files of the seed that are already there are kept. Raises ConfigurationError where time is too short.
    """
    plans = recordings.plan(minutes, incidents, seed)
    listing = output / RECORDINGS_NAME
    refuse_foreign(listing, "path", plans[0].path)
    listing.unlink(missing_ok=True)
    remove_unfinished(output, _SUFFIXES)
    make_all(partial(_record_long, output, seed), plans, "Recording long files")
    write_file(listing, json_lines(recordings.row(plan, seed) for plan in plans))
    return listing


def _take(items: int) -> Iterator[ClipSource | TakeSource]:
    """Take as many sources as give enough windows."""
    for source in sources():
        if items <= 0:
            return
        yield source
        items -= CLIPS_PER_SOURCE if isinstance(source, ClipSource) else WINDOWS_PER_TAKE


def _rows(source: ClipSource | TakeSource, seed: int) -> list[dict[str, object]]:
    if isinstance(source, TakeSource):
        return take_rows(source, seed)
    return [Clip(source, window).row(seed) for window in range(CLIPS_PER_SOURCE)]


def _record(output: Path, seed: int, source: ClipSource | TakeSource) -> None:
    """Make what is missing of a source's files."""
    stamp = _stamp(seed)
    if isinstance(source, TakeSource):
        if not has_stamp(output / take_path(source), stamp):
            film_take(source, output, seed, stamp)
        return
    for window in range(CLIPS_PER_SOURCE):
        clip = Clip(source, window)
        sidecar = clip.sidecar(seed)
        complete = sidecar is None or (output / sidecar).is_file()
        if not complete or not has_stamp(output / clip.path, stamp):
            film_clip(clip, output, seed, stamp)


def _record_long(output: Path, seed: int, plan: recordings.Plan) -> None:
    stamp = f"{_stamp(seed)}, {plan}"
    if not has_stamp(output / plan.path, stamp):
        recordings.film(plan, output, seed, stamp)


def _stamp(seed: int) -> str:
    return f"trifuse surveillance recording, revision {_REVISION}, seed {seed}"
