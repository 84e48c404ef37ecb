from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.core.movies import tone
from trifuse import systems
from trifuse.errors import InputError
from trifuse.preprocessing.audio import AudioSettings, SoundWindow, mfcc

SETTINGS = AudioSettings.of(systems.contract("surveillance", "demo").settings)
RATE = SETTINGS.sample_rate_hz


def _signals() -> dict[str, NDArray[np.float64]]:
    random = np.random.default_rng(5)
    noise = random.normal(0, 0.1, 2 * RATE)
    clicks = np.zeros(2 * RATE)
    clicks[[0, 777, 20_000]] = 1, -1, 0.5
    return {
        "noise": noise,
        "silence": np.zeros(2 * RATE),
        "clicks": clicks,
        "tone": np.asarray(tone(2), np.float64),
        "loud, then all but silent": np.where(np.arange(2 * RATE) < RATE, 10 * noise, 1e-7 * noise),
        "below the floor": 1e-8 * noise,
        "shorter than a frame": noise[:300],
        "one sample": noise[:1],
        "an odd length": noise[:12_345],
    }


SIGNALS = _signals()


@pytest.mark.filterwarnings("ignore:n_fft=2048 is too large")  # of signals shorter than a frame
@pytest.mark.parametrize("name", SIGNALS)
def test_mfcc_equals_that_of_librosa(name: str) -> None:
    # Its import takes seconds, which only this test is to pay.
    import librosa

    pcm = SIGNALS[name].astype(np.float32)
    expected = librosa.feature.mfcc(
        y=pcm,
        sr=RATE,
        n_mfcc=SETTINGS.n_mfcc,
        n_fft=SETTINGS.n_fft,
        hop_length=SETTINGS.hop_length,
        n_mels=SETTINGS.n_mels,
    )
    found = mfcc(pcm, SETTINGS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.T, rtol=0, atol=1e-3)


def test_the_settings_are_the_defaults_of_librosa() -> None:
    assert (SETTINGS.n_fft, SETTINGS.hop_length, SETTINGS.n_mels) == (2048, 512, 128)


def test_a_window_has_as_many_frames_as_the_settings_say() -> None:
    assert mfcc(tone(SETTINGS.window_s), SETTINGS).shape == (SETTINGS.frames, SETTINGS.n_mfcc)


@pytest.mark.parametrize(
    ("pcm", "message"),
    [
        (np.zeros((2, 100), np.float32), r"not a row of samples: got float32 of shape \(2, 100\)"),
        (np.zeros(0, np.float32), r"shape \(0,\)"),
        (np.zeros(100, np.int16), "got int16"),
        (np.array([0, np.nan, np.inf], np.float32), "got 2 of 3 not finite"),
    ],
)
def test_unusable_samples_are_input_errors_that_say_why(pcm: NDArray[np.float32], message: str) -> None:
    with pytest.raises(InputError, match=message):
        mfcc(pcm, SETTINGS)


def _frames(
    samples: NDArray[np.float32], rate_hz: int = RATE, start_s: float = 0.0, tick: Fraction | None = None
) -> list[av.AudioFrame]:
    """Decoded frames of 1000 samples; `tick` is the unit that their time stamps are rounded to."""
    samples, tick = np.atleast_2d(samples), tick or Fraction(1, rate_hz)
    frames = []
    for first in range(0, samples.shape[1], 1000):
        block = np.ascontiguousarray(samples[:, first : first + 1000])
        frame = av.AudioFrame.from_ndarray(block, "fltp", "mono" if len(samples) == 1 else "stereo")
        frame.sample_rate, frame.time_base = rate_hz, tick
        frame.pts = round((start_s + first / rate_hz) / tick)
        frames.append(frame)
    return frames


def _window(*frames: av.AudioFrame, start_s: float = 0.0, end_s: float = 2.0) -> NDArray[np.float32] | None:
    window = SoundWindow(start_s, end_s, RATE)
    for frame in frames:
        window.add(frame)
    return window.samples()


def test_a_window_is_cut_to_the_sample() -> None:
    sound = tone(3)
    np.testing.assert_array_equal(_window(*_frames(sound), start_s=0.75, end_s=2.0), sound[12_000:32_000])


def test_a_window_says_when_it_needs_no_more() -> None:
    window = SoundWindow(0.0, 1.0, RATE)
    wanted = [window.add(frame) for frame in _frames(tone(2))]
    assert wanted == [True] * 16 + [False] * 16


def test_rounded_time_stamps_do_not_tear_the_sound() -> None:
    sound = tone(2, rate_hz=RATE)
    np.testing.assert_array_equal(_window(*_frames(sound, tick=Fraction(1, 100))), sound)


def test_gaps_are_silent_and_a_late_track_begins_with_silence() -> None:
    sound = np.full(4000, 0.5, np.float32)
    found = _window(*_frames(sound, start_s=0.5), *_frames(sound, start_s=1.0))
    expected = np.repeat([0.0, 0.5, 0.0, 0.5], [8000, 4000, 4000, 4000])
    np.testing.assert_array_equal(found, expected)


def test_a_track_outside_the_window_is_no_sound() -> None:
    assert _window(*_frames(tone(1)), start_s=1.0, end_s=2.0) is None
    assert _window(*_frames(tone(1), start_s=5.0), start_s=1.0, end_s=2.0) is None


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_other_rates_keep_their_place_and_their_level(rate_hz: int) -> None:
    found = _window(*_frames(tone(1, rate_hz=rate_hz), rate_hz, start_s=0.5), end_s=1.5)
    expected = np.concatenate([np.zeros(8000), tone(1)])
    assert found is not None
    assert len(found) == len(expected)
    np.testing.assert_allclose(found[8100:-100], expected[8100:-100], atol=0.01)


def test_channels_are_averaged() -> None:
    left = tone(1)
    np.testing.assert_allclose(_window(*_frames(np.stack([left, left]))), left, atol=1e-6)
    np.testing.assert_allclose(_window(*_frames(np.stack([left, -left]))), 0, atol=1e-6)


def test_there_may_be_many_channels() -> None:
    frame = av.AudioFrame.from_ndarray(np.full((1, 16 * 800), 8192, np.int16), "s16", "hexadecagonal")
    frame.sample_rate, frame.time_base, frame.pts = 8_000, Fraction(1, 8_000), 0
    found = _window(frame)
    assert found is not None
    np.testing.assert_allclose(found[100:-100], 0.25, atol=0.01)


def test_a_track_may_change_its_format() -> None:
    stereo = np.stack([tone(1), tone(1)])
    found = _window(*_frames(stereo), *_frames(tone(1, rate_hz=48_000), 48_000, start_s=1.0))
    assert found is not None
    assert len(found) == 2 * RATE
    np.testing.assert_allclose(found[:-100], np.tile(tone(1), 2)[:-100], atol=0.02)


@pytest.mark.parametrize("rate_hz", [1, 2**31 - 1])
def test_impossible_rates_are_left_out(rate_hz: int) -> None:
    wrong = _frames(tone(0.05), rate_hz)
    assert _window(*wrong) is None
    np.testing.assert_array_equal(_window(*wrong, *_frames(tone(1))), tone(1))


def test_damaged_samples_are_silence() -> None:
    sound = tone(1)
    damaged = sound.copy()
    damaged[1500] = np.nan
    found = _window(*_frames(damaged))
    assert found is not None
    assert not found[1000:2000].any()
    np.testing.assert_array_equal(found[2000:], sound[2000:])
