"""Writes MP4 files with H.264 video, AAC sound and a subtitle track, and recognises its own."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import av
import cv2
import numpy as np

from trifuse.artifacts import write_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Samples = NDArray[np.float32]

SAMPLE_RATE_HZ = 16_000
_AUDIO_BITS_PER_S = 36_000
_MILLISECONDS = Fraction(1, 1000)


class Line(NamedTuple):
    """What a subtitle says from one time to another."""

    start_s: float
    end_s: float
    text: str


class Movie(NamedTuple):
    """What a file holds; `pcm` (mono, `SAMPLE_RATE_HZ`) and `lines` are None where there is no such track."""

    frames: Iterable[Image]
    fps: int
    size: tuple[int, int]
    crf: int
    pcm: Samples | None
    lines: Sequence[Line] | None


def write_movie(path: Path, movie: Movie, stamp: str) -> None:
    """Encode a movie, as a whole or not at all; equal movies give equal files."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        container.metadata["comment"] = stamp
        _Tracks(container, movie).write(movie)
    write_file(path, buffer.getvalue())


def write_subtitles(path: Path, lines: Sequence[Line]) -> None:
    """Write subtitles beside a movie, as WebVTT or SRT by the file's suffix."""
    dot, head = (".", "WEBVTT\n\n") if path.suffix == ".vtt" else (",", "")
    cues = (
        f"{number}\n{_clock(line.start_s, dot)} --> {_clock(line.end_s, dot)}\n{line.text}\n"
        for number, line in enumerate(lines, 1)
    )
    write_file(path, head + "\n".join(cues))


def has_stamp(path: Path, stamp: str) -> bool:
    """Tell whether a file is a movie that was written with this stamp."""
    try:
        with av.open(path) as container:
            return bool(container.metadata.get("comment") == stamp)
    except (FileNotFoundError, av.error.InvalidDataError):
        return False


class _Tracks:
    """The tracks of a file that is being written."""

    def __init__(self, container: av.container.OutputContainer, movie: Movie) -> None:
        self._container = container
        self._video = container.add_stream("libx264", rate=movie.fps)
        self._video.width, self._video.height = movie.size
        self._video.pix_fmt = "yuv420p"
        # One thread, so that equal pictures give equal bytes on every machine.
        self._video.codec_context.thread_count = 1
        self._video.codec_context.gop_size = movie.fps
        self._video.options = {"preset": "veryfast", "tune": "zerolatency", "crf": str(movie.crf)}
        self._audio = None if movie.pcm is None else self._add_audio()
        self._text = None if movie.lines is None else self._add_text()

    def write(self, movie: Movie) -> None:
        """Encode everything, in the order of time."""
        pcm = np.zeros(0, np.float32) if movie.pcm is None else movie.pcm
        sounds = _seconds(pcm)
        lines = sorted(movie.lines or (), reverse=True)
        for index, image in enumerate(movie.frames):
            if index % movie.fps == 0:
                self._write_sound(next(sounds, None))
            while lines and lines[-1].start_s * movie.fps <= index:
                self._write_line(lines.pop())
            picture = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
            frame = av.VideoFrame.from_ndarray(np.asarray(picture, np.uint8), format="yuv420p")
            frame.pts = index
            self._container.mux(self._video.encode(frame))
        for sound in sounds:
            self._write_sound(sound)
        for line in reversed(lines):
            self._write_line(line)
        self._container.mux(self._video.encode(None))
        if self._audio:
            self._container.mux(self._audio.encode(None))

    def _add_audio(self) -> av.AudioStream:
        stream = self._container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
        stream.bit_rate = _AUDIO_BITS_PER_S
        stream.options = {"aac_coder": "fast"}
        return stream

    def _add_text(self) -> av.stream.Stream:
        stream = self._container.add_stream("mov_text")
        stream.time_base = _MILLISECONDS
        # FFmpeg's encoder does not open without one, although the packets are written as they are.
        stream.codec_context.subtitle_header = b"[Script Info]\nScriptType: v4.00+\n"
        return stream

    def _write_sound(self, sound: tuple[int, Samples] | None) -> None:
        if self._audio is None or sound is None:
            return
        start, samples = sound
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, start
        self._container.mux(self._audio.encode(frame))

    def _write_line(self, line: Line) -> None:
        """Write a sample of 3GPP timed text: its length in two bytes, then UTF-8."""
        if self._text is None:
            return
        text = line.text.encode()
        packet = av.Packet(len(text).to_bytes(2, "big") + text)
        packet.stream, packet.time_base = self._text, _MILLISECONDS
        packet.pts = packet.dts = round(line.start_s * 1000)
        packet.duration = round((line.end_s - line.start_s) * 1000)
        self._container.mux(packet)


def _seconds(pcm: Samples) -> Iterator[tuple[int, Samples]]:
    for start in range(0, len(pcm), SAMPLE_RATE_HZ):
        yield start, np.ascontiguousarray(pcm[start : start + SAMPLE_RATE_HZ])


def _clock(time_s: float, dot: str) -> str:
    minutes, milliseconds = divmod(round(time_s * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}{dot}{milliseconds % 1000:03d}"
