"""DAiSEE: clips of ten seconds of students at their webcams, with four levels of engagement and of affects.

Layout: https://people.iith.ac.in/vineethnb/resources/daisee/index.html. The clips are
`DataSet/{Train,Validation,Test}/<subject>/<clip>/<clip>.avi`, some .mp4; `1100011002` is a clip of subject
110001. `Labels/{Train,Validation,Test}Labels.csv` name them with either ending, and have spaces around the
names of columns. Some clips have no labels. The published splits share no subject; the test clips validate,
and training has all others, from which it takes the learners that it selects models with.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from trifuse.errors import ArtifactError
from trifuse.importing.tables import csv_rows
from trifuse.systems.learning.importers.shared.clips import LabelledClip, with_windows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trifuse.importing.job import Job
    from trifuse.importing.rows import Row

_SPLITS = {"Train": "train", "Validation": "train", "Test": "validation"}
LAYOUT = (*(f"DataSet/{name}" for name in _SPLITS), *(f"Labels/{name}Labels.csv" for name in _SPLITS))

_CLIP = "ClipID"
# The affects are for research only: the served models never tell them.
_COLUMNS = {
    "Engagement": "attention",
    "Boredom": "boredom",
    "Confusion": "confusion",
    "Frustration": "frustration",
}
_LEVELS = ("0", "1", "2", "3")
_ENDINGS = (".avi", ".mp4")
_SUBJECT_DIGITS = 6


def rows(job: Job) -> Iterator[Row]:
    """Yield the windows of every labelled clip."""
    yield from with_windows(job, [clip for name in _SPLITS for clip in _clips(job, name)])


def _clips(job: Job, name: str) -> Iterator[LabelledClip]:
    levels = _labels(job, job.folder / f"Labels/{name}Labels.csv")
    for path in sorted((job.folder / "DataSet" / name).glob("*/*/*")):
        if path.suffix.lower() not in _ENDINGS:
            continue
        if path.stem not in levels:
            job.leave_out("a clip without labels", path.name)
        elif found := levels.pop(path.stem):
            yield LabelledClip(path.stem, path, _SPLITS[name], path.stem[:_SUBJECT_DIGITS], found)
    for missing in levels:
        job.leave_out("a labelled clip that is missing", missing)


def _labels(job: Job, path: Path) -> dict[str, dict[str, int]]:
    """Read the levels of each clip; none at all where one of them is no level, which is counted."""
    found: dict[str, dict[str, int]] = {}
    for row in _table(job, path):
        levels = {ours: row[theirs] for theirs, ours in _COLUMNS.items()}
        clip = PurePosixPath(row[_CLIP]).stem
        if set(levels.values()) <= set(_LEVELS):
            found[clip] = {ours: int(level) for ours, level in levels.items()}
        else:
            found[clip] = {}
            job.leave_out("a clip with a label that is not 0 to 3", f"{row[_CLIP]}: {levels}")
    return found


def _table(job: Job, path: Path) -> Iterator[dict[str, str]]:
    for row in csv_rows(job, path, ()):
        cells = {name.strip(): cell.strip() for name, cell in row.items()}
        if missing := {_CLIP, *_COLUMNS}.difference(cells):
            raise ArtifactError(
                f"{path} has no column {', '.join(sorted(missing))}",
                got=", ".join(cells),
                expected=", ".join((_CLIP, *_COLUMNS)),
            )
        yield cells
