"""UCF-Crime: long recordings of surveillance cameras, 13 classes of crimes and accidents, without sound.

Layout: https://www.crcv.ucf.edu/projects/real-world/. `Anomaly_Train.txt` and `Anomaly_Test.txt` list the
videos as `Abuse/Abuse028_x264.mp4`; each download has those folders in others, so videos are found by their
names. Only the test videos have intervals, in `Temporal_Anomaly_Annotation….txt`: the name, sometimes without
its ending, the class, and two times first and last frame or -1, with two spaces between them.
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
    from collections.abc import Iterator

    from trifuse.importing.job import Job
    from trifuse.importing.rows import Row
    from trifuse.systems.surveillance.importers.shared.windows import Interval

LAYOUT = ("**/Anomaly_Train.txt", "**/Anomaly_Test.txt", "**/Temporal_Anomaly_Annotation*.txt")

_FRAMES_PER_S = 30
_NORMAL, _NO_FRAME = "Normal", "-1"
# The other classes are abnormal, and none of the system's events.
_EVENTS = {"Fighting": "fight", "Assault": "fight", "Explosion": "blast", "Shooting": "blast"}


def rows(job: Job) -> Iterator[Row]:
    """Yield the windows of the test videos, for validation, and of the normal training videos."""
    train = normal_only(job, _videos(job, LAYOUT[0], "train"), _NORMAL)
    test = annotated(job, _videos(job, LAYOUT[1], "validation"), _NORMAL, _intervals(job))
    yield from with_windows(job, [*train, *test])


def _videos(job: Job, pattern: str, split: str) -> Iterator[Video]:
    paths = {path.stem: path for path in sorted(job.folder.rglob("*.mp4"))}
    for line in _lines(job, pattern):
        listed = line.strip()
        name = listed.rpartition("/")[-1].removesuffix(".mp4")
        class_name = re.split(r"[^A-Za-z]", name, maxsplit=1)[0]
        if name in paths:
            yield Video(name, paths[name], split, name, class_name, _EVENTS.get(class_name))
        else:
            job.leave_out("a video that is missing", listed)


def _intervals(job: Job) -> dict[str, tuple[Interval, ...]]:
    found = {}
    for line in _lines(job, LAYOUT[2]):
        name, _class, *frames = line.split()
        known = [frame for frame in frames if frame != _NO_FRAME]
        if intervals := frame_intervals(job, line, known, _FRAMES_PER_S):
            found[name.removesuffix(".mp4")] = intervals
    return found


def _lines(job: Job, pattern: str) -> Iterator[str]:
    path = min(job.folder.glob(pattern))
    return (line for line in lines(job, path) if line.strip())
