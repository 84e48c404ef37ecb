from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from trifuse import systems
from trifuse.errors import InputError
from trifuse.preprocessing.video import (
    FrameWindow,
    VideoSettings,
    nearest_frames,
    pixel_values,
    sample_times,
    shrink,
)

SETTINGS = VideoSettings.of(systems.contract("surveillance", "demo").settings)
SIZE = SETTINGS.frame_size


def _frame(pixels: NDArray[np.uint8], time_s: float = 0.0, lasts_s: float = 0.0) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")
    frame.time_base = Fraction(1, 1000)
    frame.pts, frame.duration = round(time_s * 1000), round(lasts_s * 1000)
    return frame


def _grey(level: int) -> NDArray[np.uint8]:
    return np.full((48, 64, 3), level, np.uint8)


def test_samples_are_the_centres_of_equal_parts() -> None:
    np.testing.assert_allclose(sample_times(10, 12, 4), [10.25, 10.75, 11.25, 11.75])


def test_the_frame_on_screen_is_the_last_one_that_came() -> None:
    found = nearest_frames(np.array([1.0, 1.1, 3.0]), np.array([0.0, 1.0, 1.09, 1.1, 2.99, 3.0, 9.0]))
    assert found.tolist() == [0, 0, 0, 1, 1, 2, 2]


def test_frames_picked_while_decoding_are_the_ones_on_screen() -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        # Variable rate, from far apart to many frames for a sample; some windows begin before the first.
        times_s = np.round(np.cumsum(random.uniform(0.005, 0.4, random.integers(1, 40))), 3)
        window = FrameWindow(1.0, 3.0, 8, 8)
        for level, time_s in enumerate(times_s):
            if not window.add(_frame(_grey(4 * level), time_s, lasts_s=9)):
                break
        found = window.frames()
        assert found is not None
        expected = 4 * nearest_frames(times_s, sample_times(1.0, 3.0, 8))
        np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), expected, atol=2)


def test_frames_after_the_window_are_not_asked_for() -> None:
    window = FrameWindow(0.0, 1.0, 4, 8)
    assert [window.add(_frame(_grey(0), time_s)) for time_s in (0, 0.5, 0.8, 0.9, 1)] == [True] * 3 + [
        False
    ] * 2


@pytest.mark.parametrize(("lasts_s", "seen"), [(1.5, False), (2.0, False), (2.1, True)])
def test_a_video_that_is_over_before_the_window_has_no_frames(lasts_s: float, seen: bool) -> None:
    window = FrameWindow(2.0, 3.0, 4, 8)
    window.add(_frame(_grey(9), 0.0, lasts_s))
    assert (window.frames() is not None) == seen


@pytest.mark.parametrize(("start_s", "seen"), [(0.9, True), (1.1, False)])
def test_a_frame_that_does_not_say_how_long_it_lasts_lasts_as_long_as_the_one_before(
    start_s: float, seen: bool
) -> None:
    window = FrameWindow(start_s, start_s + 1, 4, 8)
    for time_s in (0.0, 0.5):
        window.add(_frame(_grey(9), time_s))
    assert (window.frames() is not None) == seen


def test_no_part_of_the_picture_is_lost() -> None:
    pixels = np.zeros((360, 640, 3), np.uint8)
    for row, column, colour in ((0, 0, 0), (0, -1, 1), (-1, 0, 2)):
        rows, columns = slice(-90, None) if row else slice(90), slice(-160, None) if column else slice(160)
        pixels[rows, columns, colour] = 255
    small = shrink(_frame(pixels), SIZE).astype(int)
    assert small.shape == (SIZE, SIZE, 3)
    corners = small[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(corners, [(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)], atol=12)


def test_a_thin_line_is_seen_wherever_it_is() -> None:
    # A limb at the other end of a car park: two pixels wide.
    seen = []
    for column in range(300, 340):
        pixels = np.zeros((360, 640, 3), np.uint8)
        pixels[:, column : column + 2] = 255
        seen.append(shrink(_frame(pixels), SIZE).astype(float).mean(axis=(0, 2)).sum())
    assert max(seen) < 1.1 * min(seen)


def test_normalisation_is_the_formula() -> None:
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (SETTINGS.frame_count, SIZE, SIZE, 3)).astype(np.uint8)
    found = pixel_values(frames, SETTINGS)
    expected = (frames / 255 - np.array(SETTINGS.pixel_mean)) / np.array(SETTINGS.pixel_std)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.transpose(3, 0, 1, 2), atol=1e-6)


def test_frames_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match=r"wrong shape: got \(1, 8, 8, 3\), expected \(8, 64, 64, 3\)"):
        pixel_values(np.zeros((1, 8, 8, 3), np.uint8), SETTINGS)
