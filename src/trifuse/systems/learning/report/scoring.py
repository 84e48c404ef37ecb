"""Cuts recordings into windows and has them observed, a batch at a time; nothing of the media is kept."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from trifuse.errors import InputError
from trifuse.preprocessing.recording import read_clip
from trifuse.preprocessing.window import Window
from trifuse.systems.learning.report.scores import WindowScore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from trifuse.preprocessing.audio import AudioSettings
    from trifuse.preprocessing.video import VideoSettings
    from trifuse.systems.learning.calls import Observation
    from trifuse.systems.learning.report.recordings import Recording
    from trifuse.systems.learning.report.scores import ScoreTable

BATCH = 16
# A picture that varies by less, of 255 levels, is black, covered or a test card.
_LEAST_CONTRAST = 4.0
# What varies from one frame to the next by less, of 255 levels, is a picture that froze: H.264 goes on
# refining it by up to 0.05, while a head that sways by one pixel of 640 changes it by 0.15. A still, empty
# room may look frozen, too: then nobody is called absent.
_LEAST_CHANGE = 0.08


class Observer(Protocol):
    """Tells what windows show, as `LearningClient` does."""

    def observe_many(self, windows: Sequence[Window]) -> list[Observation]:
        """Observe windows, in their order."""


class Cut(NamedTuple):
    """A window of a recording, in seconds; `window` is None where there is no usable picture."""

    start_s: float
    end_s: float
    window: Window | None


def starts_of(recording: Recording, window_s: float) -> list[float]:
    """List where the windows of a recording begin; what is left at its end is no window."""
    return [index * window_s for index in range(int(recording.duration_s / window_s + 1e-6))]


def complete(
    table: ScoreTable, recording: Recording, video: VideoSettings, audio: AudioSettings, observer: Observer
) -> Iterator[int]:
    """Observe the windows that a table lacks of a recording; yields how many it has, batch by batch."""
    starts_s = starts_of(recording, video.window_s)
    known = {one.start_s for one in table.of(recording, starts_s)}
    yield len(known)
    missing_s = [start_s for start_s in starts_s if start_s not in known]
    for scores in score(recording, missing_s, video, audio, observer):
        table.add(scores)
        yield len(table.of(recording, starts_s))


def score(
    recording: Recording,
    starts_s: Sequence[float],
    video: VideoSettings,
    audio: AudioSettings,
    observer: Observer,
) -> Iterator[list[WindowScore]]:
    """Yield the scores of the windows that begin at these times, batch by batch."""
    for batch in _batches(cut(recording, starts_s, video, audio)):
        seen = [one.window for one in batch if one.window]
        told = iter(observer.observe_many(seen) if seen else [])
        yield [
            WindowScore(
                recording.lesson,
                recording.learner,
                one.start_s,
                one.end_s,
                next(told) if one.window else None,
            )
            for one in batch
        ]


def cut(
    recording: Recording, starts_s: Sequence[float], video: VideoSettings, audio: AudioSettings
) -> Iterator[Cut]:
    """Decode one window after the other."""
    for start_s in starts_s:
        end_s = start_s + video.window_s
        try:
            clip = read_clip(recording.path, video, audio, start_s=start_s, end_s=end_s)
        except InputError:
            yield Cut(start_s, end_s, None)
            continue
        window = Window(clip.frames, clip.pcm, clip.text)
        yield Cut(start_s, end_s, window if _is_seen(clip.frames) else None)


def _is_seen(frames: NDArray[np.uint8] | None) -> bool:
    """Tell whether there is a picture that lives: somebody who is only heard is not observed."""
    if frames is None or float(np.median(frames.std(axis=(1, 2)).max(axis=1))) < _LEAST_CONTRAST:
        return False
    changes = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
    return float(changes.max()) >= _LEAST_CHANGE


def _batches(cuts: Iterator[Cut]) -> Iterator[list[Cut]]:
    while batch := list(islice(cuts, BATCH)):
        yield batch
