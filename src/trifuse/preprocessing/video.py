"""From decoded frames to the few that a window needs, small and normalised."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from av.video.reformatter import Interpolation

from trifuse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import av
    from numpy.typing import NDArray

# Area averaging lets every pixel of the camera count. From 640 x 360 to 112 x 112 it takes 0.17 ms; bicubic
# takes 0.34, and fast bilinear 0.05, but that skips pixels, so that thin limbs flicker. Without full chroma
# (0.05 ms less) colours come out two levels too dark. The last two flags, at no cost, ask for arithmetic that
# does not depend on the processor.
_INTERPOLATION = (
    Interpolation.AREA | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
)


@dataclass(frozen=True)
class VideoSettings:
    """Frames, normalisation and limits of a video input.

    `pixel_mean` and `pixel_std` apply to RGB scaled to 0–1; `frame_size` is the side of a square frame.
    """

    frame_count: int
    frame_size: int
    window_s: float
    pixel_mean: tuple[float, float, float]
    pixel_std: tuple[float, float, float]
    max_clip_bytes: int

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> VideoSettings:
        """Pick the video settings out of a contract's settings."""
        return cls(**{name: settings[name] for name in cls.__dataclass_fields__})

    @cached_property
    def lookup(self) -> NDArray[np.float32]:
        """Normalised value of every byte, (3, 256): a table gives equal bits under numpy 1 and 2."""
        scaled = np.arange(256, dtype=np.float64) / 255
        mean, std = (
            np.array(values, dtype=np.float64)[:, None] for values in (self.pixel_mean, self.pixel_std)
        )
        return ((scaled - mean) / std).astype(np.float32)


def shrink(frame: av.VideoFrame, size: int) -> NDArray[np.uint8]:
    """Resize a decoded frame to RGB bytes (size, size, 3).

    The whole frame is kept: both sides are resized, so the aspect ratio may change.
    """
    # More threads would be started anew for every frame, which takes longer than the work.
    small = frame.reformat(width=size, height=size, format="rgb24", interpolation=_INTERPOLATION, threads=1)
    return np.ascontiguousarray(small.to_ndarray(), np.uint8)


def sample_times(start_s: float, end_s: float, count: int) -> NDArray[np.float64]:
    """Give the centres of `count` equal parts of a window, (count,) in seconds."""
    return start_s + (np.arange(count, dtype=np.float64) + 0.5) * ((end_s - start_s) / count)


def nearest_frames(frame_times_s: NDArray[np.float64], wanted_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the frame on screen at each wanted time, as indices into the ascending frame times.

    That is the last frame at or before the wanted time; before the first frame it is the first.
    """
    return np.maximum(np.searchsorted(frame_times_s, wanted_s, side="right") - 1, 0)


class FrameWindow:
    """Picks, while a video is decoded, the frames on screen at the wanted times, as `nearest_frames` does.

    Only the frame on screen is held in full. The window's `start_s` and `end_s` are on the clock of the time
    stamps of the frames.
    """

    def __init__(self, start_s: float, end_s: float, count: int, size: int) -> None:
        self._start_s, self._size = start_s, size
        self._wanted_s = sample_times(start_s, end_s, count)
        self._kept: list[NDArray[np.uint8]] = []
        self._shown: av.VideoFrame | None = None
        self._first_s, self._shown_at_s, self._gone_at_s = np.inf, -np.inf, -np.inf

    def add(self, frame: av.VideoFrame) -> bool:
        """Take the next decoded frame, and tell whether the window can still use further ones."""
        if frame.time is None or frame.time_base is None:
            return True
        self._first_s = min(self._first_s, frame.time)
        self._keep(until_s=frame.time)
        lasts_s = float(frame.duration * frame.time_base) or frame.time - self._shown_at_s
        self._shown, self._shown_at_s, self._gone_at_s = frame, frame.time, frame.time + lasts_s
        return len(self._kept) < len(self._wanted_s)

    @property
    def late(self) -> bool:
        """Whether the frames so far leave open what was on screen at the first wanted time."""
        return bool(self._first_s > self._wanted_s[0])

    def frames(self) -> NDArray[np.uint8] | None:
        """Give the frames (count, size, size, 3); None if the video is over before the window begins."""
        if self._gone_at_s <= self._start_s and not self._kept:
            return None
        self._keep(until_s=np.inf)
        return np.stack(self._kept)

    def _keep(self, until_s: float) -> None:
        """Keep the frame on screen for the wanted times before `until_s`."""
        new = int(np.searchsorted(self._wanted_s, until_s)) - len(self._kept)
        if self._shown is not None and new > 0:
            self._kept += [shrink(self._shown, self._size)] * new


def pixel_values(frames: NDArray[np.uint8], settings: VideoSettings) -> NDArray[np.float32]:
    """Normalise RGB frames (T, S, S, 3) into float32 channels (3, T, S, S). Raises InputError."""
    expected = (settings.frame_count, settings.frame_size, settings.frame_size, 3)
    if frames.shape != expected:
        raise InputError("the frames have the wrong shape", got=frames.shape, expected=expected)
    pixels = np.empty((3, *expected[:3]), np.float32)
    for channel in range(3):
        np.take(settings.lookup[channel], frames[..., channel], out=pixels[channel])
    return pixels
