"""XD-Violence: scenes from films and videos of YouTube, with sound.

Layout: https://roc-ng.github.io/XD-Violence/. The classes are in the name, up to three in a video:
`Bad.Boys.1995__#01-11-55_01-12-40_label_G-B2-B6.mp4`; what stands before `__#` is the film, or `v=` and the
video on YouTube. The test videos are in `videos/`, the training videos in other folders. Only the test videos
have intervals, in `annotations.txt`: `name s1 e1 [s2 e2 …]` in frames; some names end in .mp4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trifuse.importing.tables import lines
from trifuse.systems.surveillance.importers.shared.annotations import (
    annotated,
    frame_intervals,
    normal_only,
)
from trifuse.systems.surveillance.importers.shared.videos import Video, with_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from trifuse.importing.job import Job
    from trifuse.importing.rows import Row
    from trifuse.systems.surveillance.importers.shared.windows import Interval

LAYOUT = ("annotations.txt", "videos|test_videos")

_FRAMES_PER_S = 24
_NAME = re.compile(r"(?P<source>.+?)__#.*_label_(?P<classes>[A-Z0-9-]+)")
_NORMAL, _NO_FURTHER_CLASS = "A", "0"
# B4 is a riot, B5 abuse, B6 a car accident: abnormal, and none of the system's events.
_EVENTS = {"B1": "fight", "B2": "blast", "G": "blast"}


def rows(job: Job) -> Iterator[Row]:
    """Yield the windows of the test videos, for validation, and of the normal training videos."""
    test_folder = next(path for name in LAYOUT[1].split("|") if (path := job.folder / name).is_dir())
    published = sorted(job.folder.rglob("*.mp4"))
    test = list(_videos(job, (path for path in published if test_folder in path.parents), "validation"))
    train = _videos(job, (path for path in published if test_folder not in path.parents), "train")
    usable = _not_tested(job, normal_only(job, train, _NORMAL), test)
    yield from with_windows(job, [*usable, *annotated(job, test, _NORMAL, _intervals(job))])


def _videos(job: Job, paths: Iterable[Path], split: str) -> Iterator[Video]:
    for path in paths:
        if named := _NAME.fullmatch(path.stem):
            classes = [name for name in named["classes"].split("-") if name != _NO_FURTHER_CLASS]
            yield Video(path.stem, path, split, named["source"], "-".join(classes), _event(classes))
        else:
            job.leave_out("a video whose name does not tell its class", path)


def _event(classes: list[str]) -> str | None:
    """Name what happens in a video, if all its classes are one: which is when is not annotated."""
    events = {_EVENTS.get(name) for name in classes}
    return events.pop() if len(events) == 1 else None


def _not_tested(job: Job, train: Iterable[Video], test: Iterable[Video]) -> Iterator[Video]:
    tested = {video.source for video in test}
    for video in train:
        if video.source in tested:
            job.leave_out("a training video of a film that is in the test videos too", video.id)
        else:
            yield video


def _intervals(job: Job) -> dict[str, tuple[Interval, ...]]:
    found = {}
    for line in lines(job, job.folder / "annotations.txt"):
        name, *frames = line.split() or [""]
        if intervals := frame_intervals(job, line, frames, _FRAMES_PER_S):
            found[name.removesuffix(".mp4")] = intervals
    return found
