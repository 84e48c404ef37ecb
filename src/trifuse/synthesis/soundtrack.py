"""Mixes what a camera's microphone hears: a place's bed of noise, single sounds, echo and the microphone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifuse.synthesis import noises, voices
from trifuse.synthesis.movie import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trifuse.synthesis.movie import Samples

_SOUNDS: dict[str, Callable[[int, np.random.Generator], Samples]] = {
    "talk": voices.talk,
    "shout": voices.shout,
    "scream": voices.scream,
    "laugh": voices.laugh,
    "groan": voices.groan,
    "crowd": voices.crowd,
    "cheer": voices.cheer,
    "announcement": voices.announcement,
    "music": noises.music,
    "blows": noises.blows,
    "thud": noises.thud,
    "bang": noises.bang,
    "slam": noises.slam,
    "thunder": noises.thunder,
    "footsteps": noises.footsteps,
    "train": noises.train,
    "horn": noises.horn,
    "buzz": noises.buzz,
    "scribble": noises.scribble,
    "page": noises.page,
    "keys": noises.keys,
}
_BEDS: dict[str, Callable[[int, np.random.Generator], Samples]] = {
    "traffic": noises.traffic,
    "murmur": noises.murmur,
    "wind": noises.wind,
    "hum": noises.hum,
    "rain": noises.rain,
}
# Beds are repeated after this long, and sounds are mixed in pieces of this length.
_LOOP_S = 8.0
_REVERB_S, _DRY = 0.5, 0.75
# Lengths that are multiples of this are transformed quickly.
_QUICK = 800


@dataclass(frozen=True)
class Sound:
    """A sound by its name; `level_db` is its peak below full scale, `seed` makes it this one of its kind."""

    kind: str
    start_s: float
    duration_s: float
    level_db: float
    seed: int


@dataclass(frozen=True)
class Microphone:
    """A microphone and its room: kind and level (dB of full scale) of the bed, echo, gain, band."""

    bed: str
    bed_db: float
    echo: bool
    gain_db: float
    high_hz: float
    seed: int


def record(sounds: Sequence[Sound], microphone: Microphone, duration_s: float) -> Samples:
    """Mix sounds of which some may begin before 0 s: mono samples at `SAMPLE_RATE_HZ`, within -1 … 1."""
    count = round(duration_s * SAMPLE_RATE_HZ)
    track = _bed(microphone, count)
    for sound in sounds:
        _mix(track, sound)
    track = _through(track, microphone)
    loud = track * np.float32(10 ** (microphone.gain_db / 20))
    return np.asarray(np.tanh(loud), dtype=np.float32)


def _bed(microphone: Microphone, count: int) -> Samples:
    rng = np.random.default_rng(microphone.seed)
    loop = min(round(_LOOP_S * SAMPLE_RATE_HZ), count)
    bed = _BEDS[microphone.bed](loop, rng) + 0.1 * rng.standard_normal(loop, dtype=np.float32)
    return np.resize(bed * np.float32(10 ** (microphone.bed_db / 20)), count)


def _mix(track: Samples, sound: Sound) -> None:
    start = round(sound.start_s * SAMPLE_RATE_HZ)
    if start >= len(track):
        return
    count = max(round(sound.duration_s * SAMPLE_RATE_HZ / _QUICK), 1) * _QUICK
    samples = _SOUNDS[sound.kind](count, np.random.default_rng(sound.seed))
    samples = samples[max(-start, 0) :][: len(track) - max(start, 0)]
    start = max(start, 0)
    track[start : start + len(samples)] += samples * np.float32(10 ** (sound.level_db / 20))


def _through(track: Samples, microphone: Microphone) -> Samples:
    """Add the room's echo and cut what the microphone does not pass."""
    spectrum = np.fft.rfft(track)
    hertz = np.fft.rfftfreq(len(track), 1 / SAMPLE_RATE_HZ)
    gains = 1 / (1 + (hertz / microphone.high_hz) ** 6) * (hertz > 40)
    if microphone.echo:
        spectrum = spectrum * _room(len(track), microphone.seed)
    return np.fft.irfft(spectrum * gains, len(track)).astype(np.float32)


def _room(count: int, seed: int) -> Samples:
    """The spectrum of a hall's impulse response; echoes that outlast the track come back at its beginning."""
    rng = np.random.default_rng([seed, 1])
    length = min(round(_REVERB_S * SAMPLE_RATE_HZ), count)
    tail = rng.standard_normal(length) * np.exp(-np.arange(length) / (0.12 * SAMPLE_RATE_HZ))
    response = np.zeros(count)
    response[:length] = (1 - _DRY) * tail / np.sqrt((tail**2).sum())
    response[0] += _DRY
    return np.asarray(np.fft.rfft(response))
