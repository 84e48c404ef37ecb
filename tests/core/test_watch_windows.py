"""Windows that are cut from a stream hold what the training's loader reads at the same place of the file."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests.core.movies import grey, movie, tone
from tests.core.watching import SHAPE, WINDOWS
from trifuse.errors import ConfigurationError
from trifuse.preprocessing.recording import read_clip
from trifuse.systems.surveillance.contract import contract
from trifuse.systems.surveillance.scene.settings import SceneSettings
from trifuse.systems.surveillance.watch.evidence.packets import PacketRing
from trifuse.systems.surveillance.watch.feed import Feed
from trifuse.systems.surveillance.watch.media_clock import MediaClock
from trifuse.systems.surveillance.watch.scene_watch import SceneWatch
from trifuse.systems.surveillance.watch.sources import Source
from trifuse.systems.surveillance.watch.windows import WindowCutter, WindowSettings
from trifuse.systems.surveillance.watch.words import Words
from trifuse.systems.surveillance.window import Window

HALF = WindowSettings.of(contract("smoke").settings, SHAPE, 0.5)


def windows(path: Path, settings: WindowSettings = WINDOWS, history_s: float = 10.0) -> list[Window]:
    """Cut a file's windows."""
    source = Source("a", str(path), live=False)
    scene = SceneWatch(SceneSettings(), history_s)
    feed = Feed(settings, MediaClock(live=False), Words.of(source), scene, PacketRing(2**20))
    with av.open(str(path)) as container:
        packets = container.demux(feed.connect(container))
        seen = [one for packet in packets for one in feed.take(packet)]
    return [one.window for one in [*seen, *feed.finish()]]


def assert_as_loaded(found, path: Path, start_s: float, end_s: float) -> None:
    clip = read_clip(path, WINDOWS.video, WINDOWS.audio, start_s=start_s, end_s=end_s)
    np.testing.assert_array_equal(found.frames, clip.frames)
    assert (found.pcm is None) == (clip.pcm is None)
    if clip.pcm is not None:
        assert found.pcm.shape == clip.pcm.shape
        np.testing.assert_allclose(found.pcm, clip.pcm, atol=2e-3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
def test_frames_are_equal_and_sound_is_alike(tmp_path, suffix):
    path = movie(
        tmp_path / f"a{suffix}",
        seconds=5.0,
        fps=12.5,
        picture=grey(level_per_s=45),
        sound=tone(5.0, rate_hz=22_050),
        sample_rate_hz=22_050,
    )
    found = windows(path)
    assert len(found) >= 3
    for second in range(3):
        assert_as_loaded(found[second], path, second, second + 2)


def test_variable_frame_rates_are_right(tmp_path):
    times_s = [0.0, 0.05, 0.9, 1.0, 1.02, 1.9, 2.6, 2.7, 3.3, 4.1]
    path = movie(tmp_path / "a.mkv", times_s=times_s, picture=grey(level_per_s=60))
    for second, found in enumerate(windows(path)[:2]):
        assert_as_loaded(found, path, second, second + 2)


def test_half_a_second_of_stride_gives_twice_as_many(tmp_path):
    path = movie(tmp_path / "a.mp4", seconds=5.0, picture=grey(level_per_s=45), sound=tone(5.0))
    found = windows(path, HALF)
    assert len(found) == 7
    for index in (1, 3, 5):
        assert_as_loaded(found[index], path, index / 2, index / 2 + 2)


def test_without_sound_there_is_none(tmp_path):
    found = windows(movie(tmp_path / "a.mp4", seconds=4.0))
    assert [(one.pcm, one.frames.shape) for one in found] == [(None, (*SHAPE, SHAPE[1], 3))] * 3


def test_sound_alone_has_windows(tmp_path):
    found = windows(movie(tmp_path / "a.ogg", fps=None, sound=tone(4.0)))
    assert [one.frames for one in found] == [None] * 3
    assert [len(one.pcm) for one in found] == [32_000] * 3


@pytest.mark.parametrize(("seconds", "count"), [(0.4, 1), (1.3, 1), (2.0, 1), (2.3, 2), (2.8, 2), (3.9, 3)])
def test_a_short_file_and_a_files_end_are_watched(tmp_path, seconds, count):
    found = windows(movie(tmp_path / "a.mp4", seconds=seconds, fps=10))
    assert len(found) == count
    assert all(one.frames is not None for one in found)


def test_a_track_that_ends_early_does_not_hold_up_the_other(tmp_path):
    path = movie(tmp_path / "a.mkv", seconds=8.0, sound=tone(2.5))
    found = windows(path)
    assert len(found) == 7
    assert [one.pcm is not None for one in found] == [True] * 3 + [False] * 4
    assert np.abs(found[0].pcm).max() > 0.4


class TestWaitingForTheOtherTrack:
    """When a window is cut, by the time of the picture."""

    def cut_at(self, sound_until_s: float) -> dict[float, float]:
        cutter, found = WindowCutter(WINDOWS), {}
        cutter.connect(["video", "audio"])
        for step in range(200):
            time_s = step / 10
            if time_s < sound_until_s:
                cutter.add("audio", silence(), time_s)
            cutter.add("video", av.VideoFrame(64, 48, "yuv420p"), time_s)
            found |= {piece.end_s: time_s for piece in cutter.cut()}
        return found

    def test_with_both_there_is_nothing_to_wait_for(self):
        assert self.cut_at(99) == {end: end for end in range(2, 20)}

    def test_one_that_ends_is_waited_for_a_second_and_soon_no_longer(self):
        found = self.cut_at(6.0)
        assert [found[end] for end in (5, 7, 8, 13, 14)] == [5, 8, 9, 13, 14]

    def test_one_that_never_comes_is_not_waited_for_for_ever(self):
        found = self.cut_at(0.0)
        assert [found[end] for end in (2, 3, 8, 12)] == [3, 4, 8, 12]


def silence() -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.float32), format="fltp", layout="mono")
    frame.sample_rate = 16_000
    return frame


def test_nothing_is_shown_of_a_gap(tmp_path):
    times_s = [0.1 * step for step in range(30)] + [20 + 0.1 * step for step in range(30)]
    found = windows(movie(tmp_path / "a.mkv", times_s=times_s, picture=grey(level_per_s=10)))
    # The two seconds before the gap, the two after it, and what overlaps either.
    assert 4 <= len(found) <= 9
    assert found[-1].frames.mean() > 190


def test_pictures_become_evidence_when_the_scene_was_watched_for_long_enough(tmp_path):
    path = movie(tmp_path / "a.mp4", seconds=7.0)
    found = windows(path, history_s=3.0)
    assert [one.scene is not None for one in found] == [False] * 3 + [True] * 3
    assert found[-1].scene.shape == (8,)


@pytest.mark.parametrize("stride_s", [0.0, -1.0, 2.1])
def test_a_stride_must_leave_no_gap(stride_s):
    with pytest.raises(ConfigurationError, match="overlooked"):
        WindowSettings.of(contract("smoke").settings, SHAPE, stride_s)


class TestMediaClock:
    def test_a_file_begins_at_zero(self):
        clock = MediaClock(live=False)
        clock.restart(1.4)
        assert [round(clock.time_s("video", stamp), 6) for stamp in (1.4, 1.5, 1.7)] == [0.0, 0.1, 0.3]
        assert round(clock.time_s("audio", 1.45), 6) == 0.05

    def test_stamps_that_begin_again_go_on(self):
        clock = MediaClock(live=False)
        clock.restart(0.0)
        for stamp in (0.0, 5.0, 9.9):
            clock.time_s("video", stamp)
        clock.time_s("audio", 9.8)
        assert clock.time_s("video", 0.0) == 9.9
        # The tracks jump one after the other, and stay together.
        assert round(clock.time_s("audio", 9.85), 6) == 9.85
        assert round(clock.time_s("audio", 0.2), 6) == 10.1
        assert round(clock.time_s("video", 1.0), 6) == 10.9

    def test_frames_that_are_out_of_order_are_no_jump(self):
        clock = MediaClock(live=False)
        clock.restart(0.0)
        assert [clock.time_s("video", stamp) for stamp in (0.0, 0.3, 0.1, 0.2)] == [0.0, 0.3, 0.1, 0.2]

    def test_a_pause_is_no_jump_but_a_clock_that_was_set_is(self):
        clock = MediaClock(live=False)
        clock.restart(0.0)
        clock.time_s("video", 1.0)
        assert clock.time_s("video", 31.0) == 31.0
        assert clock.time_s("video", 90_000.0) == 31.0

    def test_without_a_stamp_it_is_a_step_after_the_last(self):
        clock = MediaClock(live=False)
        clock.restart(0.0)
        assert clock.time_s("video", None, 0.04) == 0.0
        assert clock.time_s("video", None, 0.04) == 0.04

    def test_the_time_of_a_live_source_goes_on_while_it_is_away(self):
        clock = MediaClock(live=True)
        clock.restart(500.0)
        assert clock.time_s("video", 500.0) == pytest.approx(0.0, abs=0.05)
        clock.time_s("video", 503.0)
        clock.restart(7.0)
        assert clock.time_s("video", 7.0) == pytest.approx(3.0, abs=0.05)
