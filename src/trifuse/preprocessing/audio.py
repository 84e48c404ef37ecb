"""From decoded sound to mono samples in their place, and from samples to MFCCs."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from trifuse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# librosa's defaults: the floor of the power, and how far below the loudest band the decibels may fall.
_POWER_FLOOR, _RANGE_DB = 1e-10, 80.0
# Slaney's mel scale: linear up to 1 kHz, 15 mels there, then 27 mels for a factor of 6.4.
_HERTZ_PER_MEL, _BREAK_HERTZ, _BREAK_MEL, _LOG_STEP = 200 / 3, 1000.0, 15.0, math.log(6.4) / 27
# Containers round time stamps to milliseconds: only a greater jump is a gap or an overlap.
_JUMP_S = 0.02
# Telephones have twice as much; a damaged header that says 1 Hz would turn a packet into gigabytes.
_LEAST_RATE_HZ = 4000


@dataclass(frozen=True)
class AudioSettings:
    """Sample rate and MFCC parameters of an audio input; `window_s` is the length of a whole window."""

    sample_rate_hz: int
    n_mfcc: int
    n_fft: int
    hop_length: int
    n_mels: int
    window_s: float

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> AudioSettings:
        """Pick the audio settings out of a contract's settings."""
        return cls(**{name: settings[name] for name in cls.__dataclass_fields__})

    @property
    def samples(self) -> int:
        """Samples of a whole window."""
        return round(self.window_s * self.sample_rate_hz)

    @property
    def frames(self) -> int:
        """MFCC frames of a whole window."""
        return 1 + self.samples // self.hop_length


def mfcc(pcm: NDArray[np.float32], settings: AudioSettings) -> NDArray[np.float32]:
    """Compute the MFCCs of mono samples (n,), as (1 + n // hop_length, n_mfcc).

    Equal to `librosa.feature.mfcc` with its defaults: a periodic Hann window, zeros beyond both ends so
    that frames are centred, power in Slaney's mel bands, decibels, an orthonormal DCT-II. Raises InputError.
    Source: https://doi.org/10.1109/TASSP.1980.1163420 and Slaney's Auditory Toolbox.
    """
    _refuse_unusable(pcm)
    half = settings.n_fft // 2
    padded = np.pad(pcm.astype(np.float64), half)
    frames = np.lib.stride_tricks.sliding_window_view(padded, settings.n_fft)[:: settings.hop_length]
    spectrum = np.fft.rfft(frames * _hann(settings.n_fft))
    # Float64 to the end: numpy 1 and 2 differ in the last bits of float32 transforms and products.
    bands = (spectrum.real**2 + spectrum.imag**2) @ _mel_bands(settings)
    decibels = 10 * np.log10(np.maximum(bands, _POWER_FLOOR))
    np.maximum(decibels, decibels.max() - _RANGE_DB, out=decibels)
    return (decibels @ _cosines(settings.n_mels, settings.n_mfcc)).astype(np.float32)


class SoundWindow:
    """Collects a window of a sound track, whose frames may start late, have gaps or change their format.

    The window's `start_s` and `end_s` are on the clock of the frames' time stamps.
    """

    def __init__(self, start_s: float, end_s: float, rate_hz: int) -> None:
        self._start_s, self._end_s, self._rate_hz = start_s, end_s, rate_hz
        self._length = round((end_s - start_s) * rate_hz)
        self._pieces: list[tuple[int, NDArray[np.float32]]] = []
        self._resampler: av.AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None
        self._next: int | None = None

    def add(self, frame: av.AudioFrame) -> bool:
        """Take the next decoded frame, and tell whether the window can still use further ones."""
        if frame.time is not None and frame.time >= self._end_s:
            return False
        if frame.sample_rate >= _LEAST_RATE_HZ:
            given = (frame.format.name, frame.layout.name, frame.sample_rate)
            if given != self._format:
                self._resample(None)
                # Channels are averaged in _place: the resampler's own mix makes stereo louder than mono. They
                # come interleaved, because PyAV reads beyond the eighth plane of a planar frame.
                self._resampler, self._format = av.AudioResampler("flt", rate=self._rate_hz), given
            self._resample(frame)
        return True

    def samples(self) -> NDArray[np.float32] | None:
        """Give the window's samples (n,), silence where the track has gaps; None if there is no sound."""
        self._resample(None)
        if not self._pieces:
            return None
        pcm = np.zeros(max(first + len(piece) for first, piece in self._pieces), np.float32)
        for first, piece in self._pieces:
            pcm[first : first + len(piece)] = piece
        return pcm

    def _resample(self, frame: av.AudioFrame | None) -> None:
        """Resample and place a frame, or what the resampler holds back; leave out what it cannot convert."""
        with contextlib.suppress(av.FFmpegError):
            for part in self._resampler.resample(frame) if self._resampler else ():
                self._place(part)

    def _place(self, part: av.AudioFrame) -> None:
        """Append the samples to those before them, or go to where their time stamp says that they jump."""
        stamped = self._next
        if part.time is not None:
            stamped = round((part.time - self._start_s) * self._rate_hz)
        first = self._next if self._next is not None else stamped or 0
        if stamped is not None and abs(stamped - first) > _JUMP_S * self._rate_hz:
            first = stamped
        self._next = first + part.samples
        cut = slice(max(0, -first), max(0, self._length - first))
        piece = part.to_ndarray().reshape(-1, part.layout.nb_channels).mean(axis=1)[cut]
        # Damaged packets can decode to values that are no numbers.
        if len(piece) and np.isfinite(piece).all():
            self._pieces.append((max(0, first), piece))


def _refuse_unusable(pcm: NDArray[np.float32]) -> None:
    if pcm.ndim != 1 or not len(pcm) or not np.issubdtype(pcm.dtype, np.floating):
        raise InputError(
            "the sound is not a row of samples",
            got=f"{pcm.dtype} of shape {pcm.shape}",
            expected="mono float32 of shape (n,), n > 0",
            hint="Mix the channels down and scale integers to -1 … 1",
        )
    bad = np.count_nonzero(~np.isfinite(pcm))
    if bad:
        raise InputError(
            "the sound has samples that are not numbers",
            got=f"{bad} of {len(pcm)} not finite",
            expected="finite numbers",
        )


@lru_cache
def _hann(length: int) -> NDArray[np.float64]:
    """Build the periodic Hann window, (length,)."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


@lru_cache
def _mel_bands(settings: AudioSettings) -> NDArray[np.float64]:
    """Build triangular bands of equal area on Slaney's mel scale, (n_fft // 2 + 1, n_mels)."""
    nyquist = settings.sample_rate_hz / 2
    edges = _to_hertz(np.linspace(0, _to_mel(nyquist), settings.n_mels + 2))
    bins = np.linspace(0, nyquist, settings.n_fft // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))


def _to_mel(hertz: float) -> float:
    if hertz < _BREAK_HERTZ:
        return hertz / _HERTZ_PER_MEL
    return _BREAK_MEL + math.log(hertz / _BREAK_HERTZ) / _LOG_STEP


def _to_hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above: NDArray[np.float64] = _BREAK_HERTZ * np.exp(_LOG_STEP * (mels - _BREAK_MEL))
    return np.where(mels < _BREAK_MEL, mels * _HERTZ_PER_MEL, above)


@lru_cache
def _cosines(n_mels: int, n_mfcc: int) -> NDArray[np.float64]:
    """Build the first columns of the orthonormal DCT-II, (n_mels, n_mfcc)."""
    angles = np.pi / n_mels * (np.arange(n_mels) + 0.5)[:, None] * np.arange(n_mfcc)
    scale = np.full(n_mfcc, np.sqrt(2 / n_mels))
    scale[0] = np.sqrt(1 / n_mels)
    cosines: NDArray[np.float64] = np.cos(angles) * scale
    return cosines
