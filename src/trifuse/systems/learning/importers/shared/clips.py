"""Turns published clips of learners into rows of the manifest, one a window; the clips stay in place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

from trifuse.errors import InputError
from trifuse.preprocessing.audio import AudioSettings
from trifuse.preprocessing.recording import probe, read_clip
from trifuse.preprocessing.video import VideoSettings
from trifuse.systems.learning.contract import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from trifuse.importing.job import Job
    from trifuse.importing.rows import Row

WINDOW_S = cast("float", contract("full").settings["window_s"])


@dataclass(frozen=True)
class LabelledClip:
    """A clip of one learner, with the columns of labels that hold throughout: name -> level, 0 to 3."""

    id: str
    path: Path
    split: str
    learner: str
    levels: Mapping[str, int]


def with_windows(job: Job, clips: Iterable[LabelledClip]) -> Iterator[Row]:
    """Yield a row for every window of the clips.

    Left out are clips that cannot be read to the end, and training clips of learners who validate.
    """
    for clip in job.progress.track(_apart(job, list(clips)), description="clips"):
        try:
            found = windows(probe(clip.path))
            if _has_picture(clip.path, *found[-1]):
                yield from _rows(job, clip, found)
            else:
                job.leave_out("a clip without pictures to its end", clip.path)
        except InputError as error:
            job.leave_out("a clip that cannot be read", f"{clip.path} ({error.got})")


def windows(duration_s: float) -> list[tuple[float, float]]:
    """Cut a clip into windows side by side, as (start, end) in seconds from its beginning.

    What is left over at the end is a window too if it is half of one at least, or the whole clip.
    """
    count = max(1, int(duration_s / WINDOW_S + 0.5))
    starts = [number * WINDOW_S for number in range(count)]
    return [(start, round(min(start + WINDOW_S, duration_s), 3)) for start in starts]


def _apart(job: Job, clips: Sequence[LabelledClip]) -> list[LabelledClip]:
    """Keep the splits apart: the clips that validate stay complete, so that figures can be compared."""
    validating = {clip.learner for clip in clips if clip.split == "validation"}
    kept = []
    for clip in clips:
        if clip.split == "train" and clip.learner in validating:
            job.leave_out("a training clip of a learner who is in the validation split too", clip.id)
        else:
            kept.append(clip)
    return kept


def _has_picture(path: Path, start_s: float, end_s: float) -> bool:
    """Decode a window: the header of a download that broke off may still tell the whole duration."""
    video, audio = _settings()
    return read_clip(path, video, audio, start_s=start_s, end_s=end_s).frames is not None


@cache
def _settings() -> tuple[VideoSettings, AudioSettings]:
    settings = contract("full").settings
    return VideoSettings.of(settings), AudioSettings.of(settings)


def _rows(job: Job, clip: LabelledClip, found: Sequence[tuple[float, float]]) -> Iterator[Row]:
    for number, (start_s, end_s) in enumerate(found, 1):
        yield {
            "id": f"{clip.id}-{number}",
            "path": job.relative(clip.path),
            "split": clip.split,
            "learner": clip.learner,
            **clip.levels,
            "start_s": start_s,
            "end_s": end_s,
        }
