"""Turns published videos into rows of the manifest, one a window; the videos stay where they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import inf
from typing import TYPE_CHECKING

from trifuse.errors import InputError
from trifuse.preprocessing.audio import AudioSettings
from trifuse.preprocessing.recording import probe, read_clip
from trifuse.preprocessing.video import VideoSettings
from trifuse.systems.surveillance.contract import contract
from trifuse.systems.surveillance.importers.shared.windows import Interval, cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from trifuse.importing.job import Job
    from trifuse.importing.rows import Row
    from trifuse.systems.surveillance.importers.shared.windows import Windows

THROUGHOUT = (Interval(0.0, inf),)


@dataclass(frozen=True)
class Video:
    """A video as it is published.

    `source_class` is what the data set calls it, `event` what the surveillance system calls that, if it has a
    name for it. `abnormal` are the intervals in which it happens: none in a normal video.
    """

    id: str
    path: Path
    split: str
    source: str
    source_class: str
    event: str | None = None
    abnormal: tuple[Interval, ...] = ()


def with_windows(job: Job, videos: Sequence[Video]) -> Iterator[Row]:
    """Yield a row for every window of the videos; videos that cannot be read to the end are left out."""
    for video in job.progress.track(videos, description="videos"):
        try:
            windows = cut(probe(video.path), video.abnormal, video.id)
            if video.abnormal and not windows.abnormal:
                job.leave_out("an abnormal video that ends before what is annotated", video.path)
            elif not _has_picture(video.path, max([*windows.normal, *windows.abnormal])):
                job.leave_out("a video without pictures to its end", video.path)
            else:
                yield from _rows(job, video, windows)
        except InputError as error:
            job.leave_out("a video that cannot be read", f"{video.path} ({error.got})")


def _has_picture(path: Path, window: Interval) -> bool:
    """Decode a window: the header of a download that broke off may still tell the whole duration."""
    video, audio = _settings()
    return read_clip(path, video, audio, start_s=window.start_s, end_s=window.end_s).frames is not None


@cache
def _settings() -> tuple[VideoSettings, AudioSettings]:
    settings = contract("full").settings
    return VideoSettings.of(settings), AudioSettings.of(settings)


def _rows(job: Job, video: Video, windows: Windows) -> Iterator[Row]:
    kinds = [(window, False) for window in windows.normal] + [(window, True) for window in windows.abnormal]
    for window, abnormal in sorted(kinds):
        yield {
            "id": f"{video.id}@{window.start_s:.3f}",
            "path": job.relative(video.path),
            "split": video.split,
            "source": video.source,
            "events": [video.event] if abnormal and video.event else [],
            "abnormal": abnormal,
            "source_class": video.source_class,
            "start_s": window.start_s,
            "end_s": window.end_s,
        }
