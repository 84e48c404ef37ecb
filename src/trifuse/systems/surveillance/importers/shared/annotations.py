"""Long videos: which are annotated moment by moment, and which are only labelled as a whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from trifuse.systems.surveillance.importers.shared.windows import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from trifuse.importing.job import Job
    from trifuse.systems.surveillance.importers.shared.videos import Video


def frame_intervals(job: Job, line: str, frames: Sequence[str], frames_per_s: float) -> tuple[Interval, ...]:
    """Read `s1 e1 s2 e2 …`; a line that has something else gives no interval at all, and is counted."""
    pairs = zip(frames[::2], frames[1::2], strict=False)
    if len(frames) % 2 == 0 and all(frame.isdecimal() for frame in frames):
        found = [Interval(int(start) / frames_per_s, int(end) / frames_per_s) for start, end in pairs]
        if all(start < end for start, end in found):
            return tuple(found)
    job.leave_out("an annotation that is not made of intervals", line.strip())
    return ()


def normal_only(job: Job, videos: Iterable[Video], normal: str) -> Iterator[Video]:
    """Leave out what is labelled abnormal as a whole: nobody knows in which of its windows it is."""
    for video in videos:
        if video.source_class == normal:
            yield video
        else:
            job.leave_out("an abnormal training video, labelled only as a whole", video.id)


def annotated(
    job: Job, videos: Iterable[Video], normal: str, intervals: Mapping[str, tuple[Interval, ...]]
) -> Iterator[Video]:
    """Give the abnormal ones of the videos their intervals; those without are left out."""
    for video in videos:
        if video.source_class == normal:
            yield video
        elif video.id in intervals:
            yield replace(video, abnormal=intervals[video.id])
        else:
            job.leave_out("an abnormal test video without annotated intervals", video.id)
