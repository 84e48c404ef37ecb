"""RWF-2000: clips of five seconds from surveillance cameras, fights and none.

Layout: https://github.com/mchengny/RWF2000-Video-Database-for-Violence-Detection. The clips are in
`{train,val}/{Fight,NonFight}/`; `3kpviz7lAMY_4.avi` is clip 4 of a video of YouTube. The published splits are
kept, but for clips of `val` that are from a video of `train`, or copies of a clip there under another name.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from trifuse.artifacts import digest
from trifuse.systems.surveillance.importers.shared.videos import THROUGHOUT, Video, with_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from trifuse.importing.job import Job
    from trifuse.importing.rows import Row

LAYOUT = ("train/Fight", "train/NonFight", "val/Fight", "val/NonFight")


def rows(job: Job) -> Iterator[Row]:
    """Yield the windows of every clip."""
    train = _clips(job, "train", "train")
    yield from with_windows(job, [*train, *_unseen(job, train, _clips(job, "val", "validation"))])


def _clips(job: Job, folder: str, split: str) -> list[Video]:
    fights = [
        Video(_id(job, path), path, split, _source(path), "Fight", "fight", THROUGHOUT)
        for path in sorted((job.folder / folder / "Fight").glob("*.avi"))
    ]
    others = [
        Video(_id(job, path), path, split, _source(path), "NonFight")
        for path in sorted((job.folder / folder / "NonFight").glob("*.avi"))
    ]
    return fights + others


def _id(job: Job, path: Path) -> str:
    return path.relative_to(job.folder).with_suffix("").as_posix()


def _source(path: Path) -> str:
    return path.stem.rpartition("_")[0] or path.stem


def _unseen(job: Job, train: Iterable[Video], validation: Iterable[Video]) -> Iterator[Video]:
    sources = {clip.source for clip in train}
    by_size: dict[int, list[Path]] = defaultdict(list)
    for clip in train:
        by_size[clip.path.stat().st_size].append(clip.path)
    for clip in validation:
        same_size = by_size.get(clip.path.stat().st_size, [])
        if clip.source in sources:
            job.leave_out("a validation clip of a video that is in the training split too", clip.id)
        elif same_size and digest(clip.path) in map(digest, same_size):
            job.leave_out("a validation clip that is in the training split under another name", clip.id)
        else:
            yield clip
