"""Noises: traffic, rain, music, blows, bangs, pens, telephones and what else is heard where cameras are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trifuse.synthesis.movie import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trifuse.synthesis.movie import Samples

    Curve = NDArray[np.float64]

_SCALE = (0, 2, 4, 7, 9, 12, 14, 16)


def coloured(count: int, low_hz: float, high_hz: float, slope: float, rng: np.random.Generator) -> Curve:
    """Noise in a band that falls with a power of the frequency; seamless when repeated; deviation 1."""
    hertz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
    safe = np.maximum(hertz, 1.0)
    gains = (safe / 200) ** -slope / (1 + (low_hz / safe) ** 4) / (1 + (safe / high_hz) ** 4)
    spectrum = gains * (rng.standard_normal(len(hertz)) + 1j * rng.standard_normal(len(hertz)))
    noise = np.fft.irfft(spectrum, count)
    return np.asarray(noise / max(float(noise.std()), 1e-12), dtype=np.float64)


def traffic(count: int, rng: np.random.Generator) -> Samples:
    """Distant engines and tyres; `count` samples, as from all these functions. Beds have a deviation of 1."""
    swell = 1 + 0.5 * np.sin(2 * np.pi * (np.arange(count) / count + rng.random()))
    return _bed(coloured(count, 40, 1200, 1.0, rng) * swell + 0.3 * coloured(count, 400, 3000, 0.5, rng))


def murmur(count: int, rng: np.random.Generator) -> Samples:
    """A hall full of people, as a hum."""
    flutter = 1 + 0.4 * coloured(count, 0.5, 6.0, 0.0, rng)
    return _bed(coloured(count, 150, 900, 0.6, rng) * flutter)


def wind(count: int, rng: np.random.Generator) -> Samples:
    """Gusts in the microphone."""
    gusts = np.abs(1 + 0.7 * coloured(count, 0.2, 2.0, 0.0, rng))
    return _bed(coloured(count, 30, 500, 1.2, rng) * gusts)


def hum(count: int, rng: np.random.Generator) -> Samples:
    """Air conditioning and fridges."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    mains = sum(0.5 / k * np.sin(2 * np.pi * 50 * k * time_s + rng.uniform(0, 6)) for k in (1, 2, 3, 4))
    return _bed(coloured(count, 60, 1500, 0.9, rng) + np.asarray(mains))


def rain(count: int, rng: np.random.Generator) -> Samples:
    """Rain on hard ground."""
    return _bed(coloured(count, 700, 7000, -0.1, rng) * (1 + 0.1 * coloured(count, 5, 40, 0.0, rng)))


def music(count: int, rng: np.random.Generator) -> Samples:
    """A tune over a beat; with a peak of 1, as all that follow."""
    tune = np.zeros(count)
    beat = round(SAMPLE_RATE_HZ * rng.uniform(0.22, 0.36))
    root = 110 * 2 ** (rng.integers(0, 12) / 12)
    for index, start in enumerate(range(0, count, beat)):
        note_hz = root * 2 * 2 ** (_SCALE[rng.integers(len(_SCALE))] / 12)
        _add(tune, start, _string(note_hz, 2 * beat, 5.0))
        if index % 2 == 0:
            _add(tune, start, 0.8 * _string(root / 2, beat, 14.0))
        else:
            _add(tune, start, 0.25 * rng.standard_normal(beat // 3) * np.exp(-np.arange(beat // 3) / 300))
    return _peaked(tune)


def blows(count: int, rng: np.random.Generator) -> Samples:
    """Fists and feet that hit, every third of a second or so."""
    sound = np.zeros(count)
    at = rng.uniform(0.02, 0.3)
    while at * SAMPLE_RATE_HZ < count:
        hit = _burst(0.16, rng.uniform(0.02, 0.05), 120, rng.uniform(900, 2500), rng)
        _add(sound, round(at * SAMPLE_RATE_HZ), hit * rng.uniform(0.4, 1.0))
        at += rng.uniform(0.2, 0.55)
    return _peaked(sound)


def thud(count: int, rng: np.random.Generator) -> Samples:
    """A body or a bag drops to the floor."""
    sound = np.zeros(count)
    _add(sound, 0, _burst(0.4, rng.uniform(0.04, 0.09), 40, rng.uniform(200, 500), rng))
    _add(sound, 0, 0.9 * _string(rng.uniform(55, 95), round(0.35 * SAMPLE_RATE_HZ), 16.0))
    return _peaked(sound)


def bang(count: int, rng: np.random.Generator) -> Samples:
    """A shot, an explosion or a firecracker: which of them, and how far away, is drawn."""
    sound = np.zeros(count)
    near, heavy = rng.uniform(0.0, 1.0), rng.random() < 0.35
    high_hz = 1800 + 5200 * near
    decay_s = rng.uniform(0.25, 0.5) if heavy else rng.uniform(0.04, 0.14)
    at = 0.0
    for _ in range(1 if heavy else int(rng.integers(1, 5))):
        crack = _burst(1.2, decay_s, 50, high_hz, rng) + 0.35 * _burst(1.2, 3 * decay_s, 40, 600, rng)
        _add(sound, round(at * SAMPLE_RATE_HZ), crack * rng.uniform(0.7, 1.0))
        _add(
            sound, round((at + rng.uniform(0.08, 0.2)) * SAMPLE_RATE_HZ), 0.25 * crack * rng.uniform(0.5, 1.0)
        )
        at += rng.uniform(0.15, 0.5)
    return _peaked(sound)


def slam(count: int, rng: np.random.Generator) -> Samples:
    """A door falls shut, or something heavy falls over."""
    sound = np.zeros(count)
    _add(sound, 0, _burst(0.5, rng.uniform(0.05, 0.1), 80, rng.uniform(500, 1100), rng))
    _add(sound, 0, 0.6 * _string(rng.uniform(90, 220), round(0.4 * SAMPLE_RATE_HZ), 18.0))
    _add(sound, round(rng.uniform(0.05, 0.12) * SAMPLE_RATE_HZ), 0.3 * _burst(0.3, 0.03, 200, 2500, rng))
    return _peaked(sound)


def thunder(count: int, rng: np.random.Generator) -> Samples:
    """Far thunder: it swells, and rolls away."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    rise, decay = rng.uniform(0.15, 0.4), rng.uniform(0.6, 1.4)
    roll = np.minimum(time_s / rise, 1.0) * np.exp(-np.maximum(time_s - rise, 0.0) / decay)
    return _peaked(
        coloured(count, 25, rng.uniform(120, 260), 0.8, rng)
        * roll
        * (1 + 0.3 * coloured(count, 2, 9, 0.0, rng))
    )


def footsteps(count: int, rng: np.random.Generator) -> Samples:
    """One or several people walk or run on a hard floor."""
    sound = np.zeros(count)
    for _ in range(int(rng.integers(1, 5))):
        period, at = rng.uniform(0.28, 0.6), rng.uniform(0.0, 0.4)
        while at * SAMPLE_RATE_HZ < count:
            step = _burst(0.08, rng.uniform(0.008, 0.02), 150, rng.uniform(800, 3000), rng)
            _add(sound, round(at * SAMPLE_RATE_HZ), step * rng.uniform(0.5, 1.0))
            at += period * rng.uniform(0.92, 1.08)
    return _peaked(sound)


def train(count: int, rng: np.random.Generator) -> Samples:
    """A train or a bus pulls in."""
    pass_by = np.sin(np.pi * np.linspace(0.15, 0.95, count)) ** 2
    squeal = 0.15 * np.sin(2 * np.pi * rng.uniform(1800, 2600) * np.arange(count) / SAMPLE_RATE_HZ)
    return _peaked((coloured(count, 40, 2500, 0.6, rng) + squeal * (rng.random() < 0.4)) * pass_by)


def horn(count: int, rng: np.random.Generator) -> Samples:
    """A car hoots once or twice."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    root, length = rng.uniform(330, 460), rng.uniform(0.2, 0.5)
    tone = sum(np.sign(np.sin(2 * np.pi * root * ratio * time_s)) / 2 for ratio in (1.0, 1.26))
    gate = (time_s < length) | (
        (time_s > length + 0.15) & (time_s < 2 * length + 0.15) & (rng.random() < 0.5)
    )
    return _peaked(np.asarray(tone) * gate + 0.01 * rng.standard_normal(count) * gate)


def buzz(count: int, rng: np.random.Generator) -> Samples:
    """A telephone vibrates on a table, again and again."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    period_s = rng.uniform(0.7, 1.2)
    gate = (time_s % period_s) < 0.55 * period_s
    hum = np.sign(np.sin(2 * np.pi * rng.uniform(140, 190) * time_s)) + 0.4 * coloured(
        count, 300, 2500, 0.3, rng
    )
    return _peaked(hum * gate)


def scribble(count: int, rng: np.random.Generator) -> Samples:
    """A pen on paper: short strokes, with pauses to think."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    strokes = np.abs(np.sin(np.pi * rng.uniform(3.5, 6.0) * time_s)) ** 2
    writes = np.sin(2 * np.pi * rng.uniform(0.25, 0.5) * time_s + rng.uniform(0, 6)) > -0.6
    return _peaked(coloured(count, 1800, 6500, 0.0, rng) * strokes * writes)


def page(count: int, rng: np.random.Generator) -> Samples:
    """A page is turned every two seconds or so."""
    sound, at = np.zeros(count), rng.uniform(0.1, 0.8)
    while at * SAMPLE_RATE_HZ < count:
        turn = round(rng.uniform(0.3, 0.6) * SAMPLE_RATE_HZ)
        _add(
            sound,
            round(at * SAMPLE_RATE_HZ),
            coloured(turn, 900, 5000, 0.2, rng) * np.sin(np.pi * np.linspace(0, 1, turn)) ** 2,
        )
        at += rng.uniform(1.5, 3.0)
    return _peaked(sound)


def keys(count: int, rng: np.random.Generator) -> Samples:
    """Somebody types."""
    sound, at = np.zeros(count), rng.uniform(0.0, 0.3)
    while at * SAMPLE_RATE_HZ < count:
        click = _burst(0.05, rng.uniform(0.004, 0.01), 900, rng.uniform(3500, 6500), rng)
        _add(sound, round(at * SAMPLE_RATE_HZ), click * rng.uniform(0.4, 1.0))
        at += rng.uniform(0.08, 0.3)
    return _peaked(sound)


def _burst(length_s: float, decay_s: float, low_hz: float, high_hz: float, rng: np.random.Generator) -> Curve:
    """Noise that begins at once and fades."""
    count = round(length_s * SAMPLE_RATE_HZ)
    fade = np.exp(-np.arange(count) / (decay_s * SAMPLE_RATE_HZ))
    return np.asarray(coloured(count, low_hz, high_hz, 0.0, rng) * fade / 3, dtype=np.float64)


def _string(hertz: float, count: int, fade_per_s: float) -> Curve:
    """A plucked string or a drum's skin."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    tone = sum(np.sin(2 * np.pi * hertz * k * time_s) / k**1.5 for k in (1, 2, 3))
    return np.asarray(tone * np.exp(-fade_per_s * time_s) * np.minimum(time_s / 0.004, 1.0), dtype=np.float64)


def _add(sound: Curve, start: int, part: Curve) -> None:
    part = part[: max(len(sound) - start, 0)]
    sound[start : start + len(part)] += part


def _bed(sound: Curve) -> Samples:
    return (sound / max(float(sound.std()), 1e-9)).astype(np.float32)


def _peaked(sound: Curve) -> Samples:
    return (sound / max(float(np.abs(sound).max()), 1e-9)).astype(np.float32)
