"""Overlapping windows of one camera, cut while its frames and its sound are decoded."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av

from trifuse.errors import ConfigurationError
from trifuse.preprocessing.audio import AudioSettings, SoundWindow
from trifuse.preprocessing.video import FrameWindow, VideoSettings
from trifuse.systems.surveillance.watch.evidence.packets import VIDEO

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

# Resamplers need some sound before the window, and the picture on screen at its start is older than it.
_PREROLL_S = 0.5
# A track may lag behind the other by so much before a window does without it; one that lags much more is
# not there, and nobody waits for it: cameras announce sound that they never send.
_GRACE_S, _GONE_S = 1.0, 5.0
# Divides the clocks of sound and of streams, so that no time is rounded.
_TICKS_PER_S = 35_280_000
_TICK = Fraction(1, _TICKS_PER_S)


@dataclass(frozen=True)
class WindowSettings:
    """What windows consist of, and how often one begins. Raises ConfigurationError for no such stride."""

    video: VideoSettings
    audio: AudioSettings
    stride_s: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.stride_s <= self.window_s:
            raise ConfigurationError(
                "something would be overlooked between the windows",
                got=f"a stride of {self.stride_s:g} s",
                expected=f"above 0, at most {self.window_s:g} s",
            )

    @classmethod
    def of(cls, settings: Mapping[str, Any], frame_shape: tuple[int, int], stride_s: float) -> WindowSettings:
        """Take a contract's settings, and the served model's number and size of frames."""
        served = {**settings, "frame_count": frame_shape[0], "frame_size": frame_shape[1]}
        return cls(VideoSettings.of(served), AudioSettings.of(served), stride_s)

    @property
    def window_s(self) -> float:
        """The length of a window in seconds."""
        return self.video.window_s


@dataclass(frozen=True)
class Piece:
    """A window's pictures (T, S, S, 3) and sound (n,), each None where there is none, between media times."""

    start_s: float
    end_s: float
    frames: NDArray[np.uint8] | None
    pcm: NDArray[np.float32] | None


@dataclass
class _Open:
    start_s: float
    end_s: float
    pictures: FrameWindow
    sound: SoundWindow
    full: set[str] = field(default_factory=set)

    def add(self, kind: str, frame: Any, time_s: float) -> None:
        """Take a frame as long as it is of use."""
        if time_s >= self.end_s or kind in self.full:
            return
        if not (self.pictures if kind == VIDEO else self.sound).add(frame):
            self.full.add(kind)


class WindowCutter:
    """Cuts a window every stride; takes each track in the order of time, holds the windows that are open."""

    def __init__(self, settings: WindowSettings) -> None:
        self._settings = settings
        self._open: deque[_Open] = deque()
        self._next = 0
        self._shown: tuple[av.VideoFrame, float] | None = None
        self._newest_s: dict[str, float] = {}
        self._since_s: float | None = None

    def connect(self, kinds: Collection[str]) -> None:
        """Say which tracks (video, audio) there are from now on: windows wait for all of them."""
        self._newest_s = {kind: self._newest_s.get(kind, -math.inf) for kind in kinds}
        self._since_s = None

    def add(self, kind: str, frame: av.VideoFrame | av.AudioFrame, time_s: float) -> None:
        """Take a decoded frame at a media time; one that is older than the frame before it is dropped."""
        if time_s <= self._newest_s[kind]:
            return
        self._newest_s[kind] = time_s
        self._since_s = time_s if self._since_s is None else self._since_s
        # The windows read the times off the frames.
        _stamp(frame, time_s)
        self._open_windows(time_s)
        for window in self._open:
            window.add(kind, frame, time_s)
        if isinstance(frame, av.VideoFrame):
            self._shown = frame, time_s

    def cut(self) -> Iterator[Piece]:
        """Yield the windows that are complete, in order, but not those without picture and sound."""
        until_s = self._complete_until_s()
        while self._open and self._open[0].end_s <= until_s:
            window = self._open.popleft()
            yield from _piece(window, window.end_s)

    def finish(self) -> Iterator[Piece]:
        """Yield what is left at the end: complete windows, and one that is half there or the only one."""
        end_s = max((time_s for time_s in self._newest_s.values() if math.isfinite(time_s)), default=0.0)
        while self._open and self._open[0].start_s < end_s:
            window = self._open.popleft()
            partial = end_s < window.end_s
            if not partial or window.start_s == 0 or end_s - window.start_s >= self._settings.window_s / 2:
                yield from _piece(window, min(window.end_s, end_s))
            if partial:
                break
        self._open.clear()

    def _complete_until_s(self) -> float:
        newest_s = max(self._newest_s.values())
        reached = [max(time_s, self._since_s or 0.0) for time_s in self._newest_s.values()]
        awaited = [time_s for time_s in reached if newest_s - time_s <= _GONE_S]
        return max(min(awaited), newest_s - _GRACE_S)

    def _open_windows(self, time_s: float) -> None:
        stride_s, window_s = self._settings.stride_s, self._settings.window_s
        # After a gap only the windows that still show something of the present are opened.
        self._next = max(self._next, math.ceil((time_s - window_s - _GRACE_S) / stride_s))
        while (start_s := self._next * stride_s) - _PREROLL_S <= time_s:
            window = self._new(start_s)
            if self._shown and start_s - self._shown[1] <= window_s:
                window.add(VIDEO, *self._shown)
            self._open.append(window)
            self._next += 1

    def _new(self, start_s: float) -> _Open:
        video, audio = self._settings.video, self._settings.audio
        end_s = start_s + video.window_s
        pictures = FrameWindow(start_s, end_s, video.frame_count, video.frame_size)
        return _Open(start_s, end_s, pictures, SoundWindow(start_s, end_s, audio.sample_rate_hz))


def _piece(window: _Open, end_s: float) -> Iterator[Piece]:
    frames, pcm = window.pictures.frames(), window.sound.samples()
    if frames is not None or pcm is not None:
        yield Piece(window.start_s, end_s, frames, pcm)


def _stamp(frame: av.VideoFrame | av.AudioFrame, time_s: float) -> None:
    lasts_s = frame.duration * float(frame.time_base or 0)
    frame.time_base = _TICK
    frame.pts, frame.duration = round(time_s * _TICKS_PER_S), round(lasts_s * _TICKS_PER_S)
