from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.core.movies import grey, movie, tone
from trifuse import systems
from trifuse.errors import InputError
from trifuse.preprocessing.audio import AudioSettings
from trifuse.preprocessing.recording import Clip, probe, read_clip
from trifuse.preprocessing.subtitles import Cue
from trifuse.preprocessing.video import VideoSettings, nearest_frames, sample_times

_SETTINGS = systems.contract("surveillance", "smoke").settings
VIDEO, AUDIO = replace(VideoSettings.of(_SETTINGS), frame_size=16), AudioSettings.of(_SETTINGS)
RATE, COUNT = AUDIO.sample_rate_hz, VIDEO.frame_count
CUES = [(0.2, 0.9, "help <i>me</i>"), (1.2, 1.6, "你好")]
LEVEL_PER_S = 50.0


def _times_s(clip: Clip) -> NDArray[np.float64]:
    """When each frame was filmed, as its grey says."""
    assert clip.frames is not None
    assert clip.frames.dtype == np.uint8
    assert clip.frames.shape == (COUNT, 16, 16, 3)
    return clip.frames.mean(axis=(1, 2, 3)) / LEVEL_PER_S


def _read(
    path: Path, start_s: float = 0.0, end_s: float | None = None, cues: list[Cue] | None = None
) -> Clip:
    return read_clip(path, VIDEO, AUDIO, start_s=start_s, end_s=end_s, cues=cues)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("movies")


@pytest.fixture(scope="module")
def clip_mp4(folder: Path) -> Path:
    return movie(folder / "clip.mp4", sound=tone(2), cues=CUES)


@pytest.mark.parametrize(
    ("name", "text"), [("clip.mp4", "help me 你好"), ("clip.mkv", "help me 你好"), ("clip.avi", None)]
)
def test_containers_give_pictures_sound_and_text(folder: Path, name: str, text: str | None) -> None:
    clip = _read(movie(folder / name, sound=tone(2), cues=None if text is None else CUES))
    np.testing.assert_allclose(_times_s(clip), np.floor(10 * sample_times(0, 2, COUNT)) / 10, atol=0.03)
    assert clip.pcm is not None
    assert clip.pcm.dtype == np.float32
    # AAC is lossy, most of all where the sound sets in.
    np.testing.assert_allclose(clip.pcm[100:-2000], tone(2)[100:-2000], atol=0.2)
    assert len(clip.pcm) == 2 * RATE
    assert (clip.text, clip.duration_s) == (text, 2.0)


def test_a_file_and_its_content_give_equal_bits(clip_mp4: Path) -> None:
    for start_s, end_s in ((0.0, None), (1.0, 1.7)):
        ours, theirs = (
            read_clip(source, VIDEO, AUDIO, start_s=start_s, end_s=end_s)
            for source in (clip_mp4, clip_mp4.read_bytes())
        )
        np.testing.assert_array_equal(ours.frames, theirs.frames)
        np.testing.assert_array_equal(ours.pcm, theirs.pcm)
        assert (ours.text, ours.duration_s) == (theirs.text, theirs.duration_s)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    "options", [{"g": "10", "bf": "0"}, {"g": "12", "bf": "2", "b_strategy": "0"}, {"g": "500"}]
)
def test_windows_anywhere_have_the_right_frames(folder: Path, suffix: str, options: dict[str, str]) -> None:
    generator = np.random.default_rng(1)
    times_s = np.round(np.cumsum(generator.uniform(0.02, 0.3, 80)) - 0.02, 3)
    times_s[0] = 0
    levels = grey(level_per_s=20)
    path = movie(
        folder / f"vfr-{options['g']}{suffix}", times_s=times_s, picture=levels, video_options=options
    )
    for start_s in (0.0, 0.3, 1.0, 2.7, 5.05, 8.0):
        frames = _read(path, start_s, start_s + 2).frames
        assert frames is not None
        expected = times_s[nearest_frames(times_s, sample_times(start_s, start_s + 2, COUNT))]
        np.testing.assert_allclose(frames.mean(axis=(1, 2, 3)), np.round(20 * expected), atol=1)


@pytest.mark.parametrize("name", ["long.mp4", "long.mkv", "long.avi", "long.ogg"])
def test_sound_stays_in_its_place_when_a_window_is_cut(folder: Path, name: str) -> None:
    sound = np.zeros(8 * RATE, np.float32)
    sound[5 * RATE : 6 * RATE] = tone(1)
    path = movie(folder / name, fps=None if name.endswith("ogg") else 5, seconds=8, sound=sound)
    whole = _read(path).pcm
    window = _read(path, 4.5, 6.5).pcm
    assert whole is not None
    assert window is not None
    assert len(window) == 2 * RATE
    np.testing.assert_allclose(window, whole[int(4.5 * RATE) : int(6.5 * RATE)], atol=1e-3)
    np.testing.assert_allclose(window[RATE // 2 + 800 : RATE], tone(1)[800 : RATE // 2], atol=0.05)


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv"])
def test_a_late_sound_track_begins_with_silence_and_an_early_end_is_kept(folder: Path, name: str) -> None:
    path = movie(folder / name, seconds=4, sound=tone(1), sound_start_s=1.0)
    whole, after = _read(path), _read(path, 2.5, 4.0)
    assert whole.pcm is not None
    assert 2 * RATE <= len(whole.pcm) < 2.1 * RATE
    assert np.abs(whole.pcm[: int(0.9 * RATE)]).max() < 0.01
    np.testing.assert_allclose(whole.pcm[int(1.2 * RATE) : int(1.8 * RATE)], tone(1)[3200:12_800], atol=0.05)
    assert after.pcm is None
    assert after.frames is not None


def test_what_a_recording_lacks_is_none(folder: Path) -> None:
    silent = _read(movie(folder / "silent.mp4"))
    assert silent.frames is not None
    assert (silent.pcm, silent.text) == (None, None)
    heard = _read(movie(folder / "heard.ogg", fps=None, sound=tone(2)))
    assert (heard.frames, heard.text) == (None, None)
    assert heard.pcm is not None
    assert heard.duration_s == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(
    ("name", "codec"), [("said.mp4", "mov_text"), ("said.mkv", "subrip"), ("styled.mkv", "ass")]
)
def test_the_text_of_a_window_comes_from_the_subtitle_track(folder: Path, name: str, codec: str) -> None:
    cues = [(0.5, 13.5, "wait"), (14.0, 15.0, "{\\b1}knife{\\b0}"), (17.0, 18.0, "thanks")]
    path = movie(folder / name, fps=2, seconds=20, video_options={"g": "2"}, cues=cues, subtitle_codec=codec)
    # The first cue begins long before the second window.
    found = [_read(path, start_s, start_s + 2).text for start_s in (0.0, 13.0, 15.0, 16.5)]
    assert found == ["wait", "wait knife", "", "thanks"]


def test_given_cues_are_used_instead_of_the_track(clip_mp4: Path) -> None:
    assert _read(clip_mp4, 0.5, 1.5, [Cue(1.4, 9, "given"), Cue(1.5, 9, "later")]).text == "given"
    assert _read(clip_mp4, cues=[]).text == ""


def test_the_clock_starts_with_the_recording(folder: Path) -> None:
    # One key frame, at the beginning, and no index that would tell where it is.
    path = movie(
        folder / "stream.ts",
        times_s=np.arange(30) / 10 + 60,
        picture=lambda time_s: grey()(time_s - 60),
        sound=tone(3),
        sound_start_s=60.0,
    )
    assert probe(path) == pytest.approx(3, abs=0.2)
    clip = _read(path, 1.0, 2.0)
    np.testing.assert_allclose(_times_s(clip), 1 + sample_times(0, 1, COUNT), atol=0.17)
    assert clip.pcm is not None
    assert len(clip.pcm) == RATE


def test_the_last_frame_stays_where_the_window_is_longer(folder: Path) -> None:
    clip = _read(movie(folder / "short.mp4", seconds=1), 0.0, 2.0)
    np.testing.assert_allclose(_times_s(clip)[COUNT // 2 :], 0.9, atol=0.03)


def test_the_last_frames_come_even_where_the_sound_goes_on(folder: Path) -> None:
    # Frames that are coded out of order wait in the decoder until it is emptied.
    path = movie(
        folder / "stops.mp4", seconds=1, video_options={"bf": "2", "b_strategy": "0"}, sound=tone(20)
    )
    np.testing.assert_allclose(_times_s(_read(path, 0.0, 2.0))[COUNT // 2 :], 0.9, atol=0.03)


def test_a_picture_may_change_its_size(folder: Path) -> None:
    # Two elementary streams one after the other, as a camera that is turned sends them.
    parts = [
        movie(folder / f"{width}.ts", seconds=1, size=(width, 64), picture=grey((width, 64)))
        for width in (48, 96)
    ]
    turned = folder / "turned.ts"
    turned.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert _read(turned).frames is not None


def _damage(path: Path, flips: int) -> bytes:
    """Flip bits all over the media data of an MP4, whose index lies at its end."""
    data = bytearray(path.read_bytes())
    generator = random.Random(2)
    for _ in range(flips):
        data[generator.randrange(data.find(b"mdat") + 8, data.rfind(b"moov"))] ^= 1 << generator.randrange(8)
    return bytes(data)


@pytest.mark.parametrize("flips", [20, 400])
def test_of_a_damaged_file_what_can_be_decoded_is_used(folder: Path, flips: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 96, 128, 3)).astype(np.uint8)
    path = movie(
        folder / "noise.mp4",
        size=(128, 96),
        picture=lambda time_s: noise[round(time_s * 10)],
        sound=tone(2),
        cues=CUES,
    )
    data = _damage(path, flips)
    clip = read_clip(data, VIDEO, AUDIO)
    assert clip.frames is not None
    assert clip.frames.shape[0] == COUNT
    assert clip.pcm is not None
    assert np.isfinite(clip.pcm).all()


def test_damage_looks_the_same_every_time(folder: Path) -> None:
    texture = np.random.default_rng(0).integers(0, 200, (240, 320, 1)).astype(np.uint8)

    def moving(time_s: float) -> NDArray[np.uint8]:
        return np.repeat(np.roll(texture, round(60 * time_s), axis=1), 3, axis=2)

    path = movie(folder / "moving.mp4", size=(320, 240), picture=moving, video_options={"crf": "28"})
    first, *others = (read_clip(_damage(path, 5), VIDEO, AUDIO).frames for _ in range(12))
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_a_recording_that_was_cut_off_is_read_as_far_as_it_goes(folder: Path) -> None:
    path = movie(folder / "whole.mkv", seconds=4, sound=tone(4))
    data = path.read_bytes()
    clip = read_clip(data[: len(data) // 2], VIDEO, AUDIO, end_s=2.0)
    assert clip.frames is not None
    assert clip.pcm is not None


def test_of_a_recording_that_was_cut_off_before_the_window_there_is_nothing(folder: Path) -> None:
    data = movie(folder / "begun.mkv", seconds=4, sound=tone(4)).read_bytes()
    with pytest.raises(InputError, match="nothing in the window can be decoded"):
        read_clip(data[: len(data) // 40], VIDEO, AUDIO, start_s=2.0)


def test_a_damaged_subtitle_is_left_out(folder: Path) -> None:
    data = movie(folder / "said.mkv", cues=[(0.0, 1.0, "knife"), (1.0, 2.0, "run")]).read_bytes()
    assert b"knife" in data
    assert read_clip(data.replace(b"knife", b"kn\xfffe"), VIDEO, AUDIO).text == "run"


def test_a_recording_that_was_never_finished_has_a_duration_too(folder: Path) -> None:
    path = folder / "live.mkv"
    with (
        av.open(str(path), "w", options={"live": "1"}) as output,
        av.open(str(movie(folder / "source.mkv", seconds=3, sound=tone(3)))) as source,
    ):
        copies = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                output.mux(packet)
    assert probe(path) == pytest.approx(3, abs=0.1)
    clip = _read(path)
    np.testing.assert_allclose(_times_s(clip)[[0, -1]], [0.1, 2.8], atol=0.03)
    assert clip.pcm is not None
    assert len(clip.pcm) == 3 * RATE


def test_a_cover_picture_is_not_a_video(folder: Path) -> None:
    path = folder / "song.m4a"
    with av.open(str(path), "w", format="mp4") as output:
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound = output.add_stream("aac", rate=RATE, layout="mono")
        output.mux(cover.encode(av.VideoFrame.from_ndarray(grey()(1.0), "rgb24")))
        frame = av.AudioFrame.from_ndarray(tone(1)[None], "fltp", "mono")
        frame.sample_rate = RATE
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    clip = _read(path)
    assert clip.frames is None
    assert clip.pcm is not None


BAD_CLIPS = {
    "empty": (b"", "the clip is not a recording that can be read"),
    "text": (b"hello, world " * 100, "not a recording"),
    "too large": (b"\0" * (VIDEO.max_clip_bytes + 1), "too large: got .*expected at most 52,428,800"),
}


@pytest.mark.parametrize("name", BAD_CLIPS)
def test_bad_clips_are_input_errors_that_say_why(name: str) -> None:
    data, message = BAD_CLIPS[name]
    with pytest.raises(InputError, match=message):
        read_clip(data, VIDEO, AUDIO)


def test_playlists_are_refused(folder: Path) -> None:
    # They would make the server open whatever a client names.
    movie(folder / "part.ts", sound=tone(2))
    playlist = folder / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\npart.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(InputError, match=r"list\.m3u8 is not a recording"):
        _read(playlist)


def test_pictures_larger_than_those_of_any_camera_are_not_decoded(folder: Path) -> None:
    path = movie(
        folder / "huge.mp4", size=(4112, 4112), seconds=0.1, picture=grey((4112, 4112)), sound=tone(0.1)
    )
    clip = _read(path)
    assert clip.frames is None
    assert clip.pcm is not None


def test_a_title_in_any_encoding_does_no_harm(folder: Path) -> None:
    path = folder / "titled.avi"
    with av.open(str(path), "w") as output:
        output.metadata["title"] = "TITLE"
        stream = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for packet in stream.encode(av.VideoFrame.from_ndarray(grey()(1.0), "rgb24")) + stream.encode(None):
            output.mux(packet)
    data = path.read_bytes()
    assert b"TITLE" in data
    assert read_clip(data.replace(b"TITLE", "中文".encode("gb18030") + b"!"), VIDEO, AUDIO).frames is not None


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    for name in ("empty.mp4", "missing.mp4"):
        with pytest.raises(InputError, match=f"{name} is not a recording"):
            probe(tmp_path / name)


def test_a_file_of_which_nothing_can_be_decoded_is_refused(clip_mp4: Path) -> None:
    data = bytearray(clip_mp4.read_bytes())
    media = slice(data.find(b"mdat") + 4, data.rfind(b"moov") - 4)
    data[media] = bytes(media.stop - media.start)
    with pytest.raises(InputError, match=r"nothing in the window can be decoded: got 0–2 s of the clip"):
        read_clip(bytes(data), VIDEO, AUDIO)


@pytest.mark.parametrize(
    ("start_s", "end_s", "message"),
    [
        (1.0, 1.0, "makes no sense: got from 1 to 1 s"),
        (-1.0, 1.0, "from -1 to 1 s"),
        (3.0, None, "from 3 to 2 s"),
        (0.0, float("nan"), "to nan s"),
        (0.0, 1e9, "at most 600 s"),
        (30.0, 32.0, "nothing in the window can be decoded: got 30–32 s"),
    ],
)
def test_windows_that_make_no_sense_are_refused(
    clip_mp4: Path, start_s: float, end_s: float | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _read(clip_mp4, start_s, end_s)
