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

BATCH = 16
# A picture that varies by less, of 255 levels, is black, covered or a test card.
_LEAST_CONTRAST = 4.0


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


def score(
    recording: Recording, done: int, video: VideoSettings, audio: AudioSettings, observer: Observer
) -> Iterator[list[WindowScore]]:
    """Yield the scores of the windows after the first `done`, batch by batch."""
    for batch in _batches(cut(recording, video, audio, done)):
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


def cut(recording: Recording, video: VideoSettings, audio: AudioSettings, skipped: int) -> Iterator[Cut]:
    """Decode one window after the other."""
    for start_s in starts_of(recording, video.window_s)[skipped:]:
        end_s = start_s + video.window_s
        try:
            clip = read_clip(recording.path, video, audio, start_s=start_s, end_s=end_s)
        except InputError:
            yield Cut(start_s, end_s, None)
            continue
        window = Window(clip.frames, clip.pcm, clip.text)
        yield Cut(start_s, end_s, window if _is_seen(clip.frames) else None)


def _is_seen(frames: NDArray[np.uint8] | None) -> bool:
    """Tell whether there is a picture: somebody who is only heard is not observed."""
    return frames is not None and float(np.median(frames.std(axis=(1, 2)).max(axis=1))) >= _LEAST_CONTRAST


def _batches(cuts: Iterator[Cut]) -> Iterator[list[Cut]]:
    while batch := list(islice(cuts, BATCH)):
        yield batch
