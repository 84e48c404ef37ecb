"""Voices: talk, shouts, screams, laughter and crowds, made of pulses that formants shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifuse.synthesis.movie import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trifuse.synthesis.movie import Samples

    Curve = NDArray[np.float64]

# First, second and third formants of vowels, in Hz.
# Source: Peterson and Barney, control methods used in a study of the vowels (https://doi.org/10.1121/1.1906875).
_VOWELS_HZ = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))
_FORMANT_WIDTH = 0.11
# Lengths that are multiples of this are transformed quickly.
_QUICK = 64


@dataclass(frozen=True)
class _Manner:
    """How somebody uses the voice; pairs are ranges that are drawn from."""

    syllable_s: tuple[float, float]
    pause_s: tuple[float, float]
    pitch_hz: tuple[float, float]
    # The pitch at a syllable's end, as a share of that at its beginning.
    glide: tuple[float, float]
    # Share of noise in the voice, and how much of the high frequencies is lost (a power of the frequency).
    breath: float
    tilt: float
    # Lifts the formants as an open mouth does.
    opening: float = 1.0
    roughness: float = 0.0
    # How many syllables follow each other before a pause.
    syllables: tuple[int, int] = (2, 8)


_TALK = _Manner((0.12, 0.24), (0.1, 0.5), (95, 230), (0.85, 1.1), 0.08, 0.9)
_SHOUT = _Manner((0.18, 0.45), (0.08, 0.3), (190, 420), (0.8, 1.25), 0.15, 0.3, 1.15, 0.3, (1, 4))
_SCREAM = _Manner((0.45, 1.1), (0.05, 0.3), (620, 1250), (0.8, 1.3), 0.12, 0.1, 1.3, 0.45, (1, 2))
_LAUGH = _Manner((0.1, 0.14), (0.15, 0.6), (200, 420), (0.75, 0.9), 0.35, 0.6, 1.1, 0.0, (4, 9))
_GROAN = _Manner((0.35, 0.7), (0.3, 0.6), (110, 240), (0.6, 0.85), 0.25, 0.8, 0.95, 0.1, (1, 1))


def talk(count: int, rng: np.random.Generator) -> Samples:
    """Somebody says something: `count` samples with a peak of 1, as from all these functions."""
    return _peaked(_speak(_TALK, count, rng))


def shout(count: int, rng: np.random.Generator) -> Samples:
    """One or two people shout at each other."""
    return _peaked(_speak(_SHOUT, count, rng) + rng.uniform(0.0, 1.0) * _speak(_SHOUT, count, rng))


def scream(count: int, rng: np.random.Generator) -> Samples:
    """Several people scream."""
    voices = [rng.uniform(0.4, 1.0) * _speak(_SCREAM, count, rng) for _ in range(int(rng.integers(2, 5)))]
    return _peaked(sum(voices, np.zeros(count)))


def laugh(count: int, rng: np.random.Generator) -> Samples:
    """Two or three people laugh."""
    voices = [rng.uniform(0.4, 1.0) * _speak(_LAUGH, count, rng) for _ in range(int(rng.integers(2, 4)))]
    return _peaked(sum(voices, np.zeros(count)))


def groan(count: int, rng: np.random.Generator) -> Samples:
    """Somebody in pain cries out and groans."""
    return _peaked(_speak(_GROAN, count, rng))


def crowd(count: int, rng: np.random.Generator) -> Samples:
    """Many people talk at once."""
    voices = [rng.uniform(0.3, 1.0) * _speak(_TALK, count, rng) for _ in range(6)]
    return _peaked(sum(voices, np.zeros(count)))


def cheer(count: int, rng: np.random.Generator) -> Samples:
    """Supporters or market vendors call out: shouts over a crowd."""
    calls = [rng.uniform(0.5, 1.0) * _speak(_SHOUT, count, rng) for _ in range(int(rng.integers(1, 4)))]
    return _peaked(sum(calls, 0.3 * _speak(_TALK, count, rng)))


def announcement(count: int, rng: np.random.Generator) -> Samples:
    """A gong and a voice from a loudspeaker."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    voice = _speak(_TALK, count, rng)
    spectrum = np.fft.rfft(voice)
    hertz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
    voice = np.fft.irfft(spectrum * ((hertz > 350) & (hertz < 3400)), count)
    root = rng.uniform(500, 700)
    for beat, ratio in enumerate((1.25, 1.0)):
        since_s = np.maximum(time_s - 0.35 * beat, 0.0)
        voice += (
            0.4 * (time_s > 0.35 * beat) * np.exp(-4 * since_s) * np.sin(2 * np.pi * root * ratio * since_s)
        )
    return _peaked(voice)


def _speak(manner: _Manner, count: int, rng: np.random.Generator) -> Curve:
    """One voice: syllables in groups with pauses between them."""
    voice = np.zeros(count)
    base_hz, at_s = rng.uniform(*manner.pitch_hz), rng.uniform(0.0, 0.25)
    while at_s * SAMPLE_RATE_HZ < count:
        for _ in range(int(rng.integers(manner.syllables[0], manner.syllables[1] + 1))):
            syllable = _syllable(manner, base_hz * rng.uniform(0.88, 1.14), rng)
            start = round(at_s * SAMPLE_RATE_HZ)
            part = syllable[: max(count - start, 0)]
            voice[start : start + len(part)] += part
            at_s += len(syllable) / SAMPLE_RATE_HZ * 0.92
        at_s += rng.uniform(*manner.pause_s)
    return voice


def _syllable(manner: _Manner, pitch_hz: float, rng: np.random.Generator) -> Curve:
    length_s = rng.uniform(*manner.syllable_s)
    count = round(length_s * SAMPLE_RATE_HZ / _QUICK) * _QUICK
    share = np.linspace(0.0, 1.0, count)
    glide = pitch_hz * (1 + (rng.uniform(*manner.glide) - 1) * share)
    if manner.roughness:
        glide = glide * (1 + 0.02 * np.sin(2 * np.pi * rng.uniform(5, 9) * share * length_s))
    phase = np.cumsum(glide) / SAMPLE_RATE_HZ
    pulses = 1 - 2 * np.mod(phase, 1.0) + manner.breath * rng.standard_normal(count)
    if manner.roughness:
        pulses *= 1 + manner.roughness * np.sin(2 * np.pi * rng.uniform(45, 90) * share * length_s)
    spectrum = np.fft.rfft(pulses) * _formants(count, manner, rng)
    envelope = np.sin(np.pi * share) ** 0.6
    return np.asarray(np.fft.irfft(spectrum, count) * envelope * rng.uniform(0.6, 1.0), dtype=np.float64)


def _formants(count: int, manner: _Manner, rng: np.random.Generator) -> Curve:
    hertz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
    gains = np.full(len(hertz), 0.03)
    for number, centre in enumerate(_VOWELS_HZ[rng.integers(len(_VOWELS_HZ))]):
        middle = centre * manner.opening * rng.uniform(0.92, 1.08)
        gains += 0.6**number * np.exp(-(((hertz - middle) / (_FORMANT_WIDTH * middle + 40)) ** 2))
    return np.asarray(gains * (1 + hertz / 500) ** -manner.tilt, dtype=np.float64)


def _peaked(sound: Curve) -> Samples:
    return (sound / max(float(np.abs(sound).max()), 1e-9)).astype(np.float32)
