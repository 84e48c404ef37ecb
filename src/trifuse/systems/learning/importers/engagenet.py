"""EngageNet: clips of ten seconds of people at their webcams, with four levels of engagement.

Layout: https://github.com/engagenet/engagenet_baselines. `subject_10_gnhw5ktlt2_vid_0_13.mp4` is a clip of
subject_10. The release has the clips in `Train/`, `Validation/` and `Test/` and a table for each; the
authors' baselines have `final_labels.csv` and the lists `train.txt`, `valid.txt` and `test.txt`, of names
with an ending (.mp4, or .csv of features made from them) or without. The test clips validate and training
has all others, as in the baselines; where there are no test clips with labels, as in the EmotiW challenge,
those of the published validation split validate.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trifuse.errors import ArtifactError
from trifuse.importing.tables import csv_rows, lines
from trifuse.systems.learning.importers.shared.clips import LabelledClip, with_windows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trifuse.importing.job import Job
    from trifuse.importing.rows import Row

LAYOUT = ("final_labels.csv|*_engagement_labels.csv", "train.txt|Train", "valid.txt|Validation")

# The list and the folder of each published split.
_SPLITS = {
    "train": ("train.txt", "Train"),
    "validation": ("valid.txt", "Validation"),
    "test": ("test.txt", "Test"),
}
_ATTENTION = {"not-engaged": 0, "barely-engaged": 1, "engaged": 2, "highly-engaged": 3}
_NOT_PRESENT = "snp(subject not present)"
_SUBJECT = re.compile(r"(?P<subject>subject_[^_]+)_.+_vid_\d+_\d+")


def rows(job: Job) -> Iterator[Row]:
    """Yield the windows of every clip whose learner is present."""
    yield from with_windows(job, list(_clips(job)))


def _clips(job: Job) -> Iterator[LabelledClip]:
    videos = {path.stem: path for path in sorted(job.folder.rglob("*.mp4"))}
    levels = _labels(job)
    published = _published(job)
    testable = {name for name in levels.keys() & videos.keys() if published.get(name) == "test"}
    validating = "test" if testable else "validation"
    for name, level in levels.items():
        subject = _SUBJECT.fullmatch(name)
        if name not in videos:
            job.leave_out("a labelled clip that is missing", name)
        elif name not in published:
            job.leave_out("a clip that is in no split", name)
        elif not subject:
            job.leave_out("a clip whose name does not tell its subject", name)
        else:
            split = "validation" if published[name] == validating else "train"
            yield LabelledClip(name, videos[name], split, subject["subject"], {"attention": level})


def _labels(job: Job) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in _tables(job.folder):
        for row in csv_rows(job, path, ("chunk", "label")):
            label = row["label"].strip().lower()
            if label in _ATTENTION:
                found[_name(row["chunk"])] = _ATTENTION[label]
            elif label == _NOT_PRESENT:
                job.leave_out("a clip without the learner (SNP)", row["chunk"])
            else:
                job.leave_out("a clip with an unknown label", f"{row['chunk']}: {row['label']}")
    return found


def _tables(folder: Path) -> list[Path]:
    if (whole := folder / "final_labels.csv").is_file():
        return [whole]
    for workbook in sorted(folder.glob("*_engagement_labels.xlsx")):
        if not workbook.with_suffix(".csv").is_file():
            raise ArtifactError(
                "a table of labels is an Excel workbook",
                got=workbook,
                expected=workbook.with_suffix(".csv").name,
                hint="Save it as CSV beside the workbook",
            )
    return sorted(folder.glob("*_engagement_labels.csv"))


def _published(job: Job) -> dict[str, str]:
    """Map each clip to its published split: the lists tell it, or else the folders."""
    found: dict[str, str] = {}
    for split, (listed, folder) in _SPLITS.items():
        names = job.folder / listed
        clips = lines(job, names) if names.is_file() else (job.folder / folder).glob("*.mp4")
        found |= {_name(str(clip)): split for clip in clips}
    return found


def _name(clip: str) -> str:
    """Take a clip's name from a path with any ending."""
    return clip.strip().replace("\\", "/").rpartition("/")[-1].partition(".")[0]
