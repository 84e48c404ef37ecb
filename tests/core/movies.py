"""Tiny real media files for the tests, written with PyAV: the suffix chooses the container and its codecs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

# Sound in MKV and AVI is lossless, so that tests can compare samples.
_VIDEO = {".mp4": "libx264", ".mkv": "libx264", ".ts": "libx264", ".avi": "mpeg4"}
_SOUND = {".mp4": "aac", ".mkv": "flac", ".ts": "aac", ".avi": "pcm_s16le", ".ogg": "libopus"}
_SUBTITLES = {".mp4": "mov_text", ".mkv": "subrip"}
_ASS_HEADER = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\n"
    b"Style: Default,Sans,16\n\n[Events]\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)
_TICK = Fraction(1, 1000)

Picture = Callable[[float], NDArray[np.uint8]]


def grey(size: tuple[int, int] = (64, 48), level_per_s: float = 50.0) -> Picture:
    """Pictures (height, width, 3) of one grey that tells the time: level_per_s * time_s, at most 250."""
    width, height = size

    def picture(time_s: float) -> NDArray[np.uint8]:
        return np.full((height, width, 3), min(250, round(level_per_s * time_s)), np.uint8)

    return picture


def tone(seconds: float, hertz: float = 440.0, rate_hz: int = 16_000) -> NDArray[np.float32]:
    """A sine of amplitude 0.5, (seconds * rate_hz,)."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(
        np.float32
    )


def movie(
    path: Path,
    *,
    fps: float | None = 10.0,
    seconds: float = 2.0,
    size: tuple[int, int] = (64, 48),
    times_s: Sequence[float] | None = None,
    picture: Picture | None = None,
    video_options: dict[str, str] | None = None,
    sound: NDArray[np.float32] | None = None,
    sample_rate_hz: int = 16_000,
    sound_start_s: float = 0.0,
    cues: Iterable[tuple[float, float, str]] | None = None,
    subtitle_codec: str | None = None,
) -> Path:
    """Write a movie of `seconds` at `fps` (None: no video), sound (n,) or (2, n), cues (start, end, text).

    `times_s` are the frames' times instead of a rate, `size` is (width, height), `cues` None no track at all.
    `video_options` are the encoder's, such as g and bf.
    """
    with av.open(str(path), "w") as container:
        makers = []
        if fps is not None:
            shown = np.arange(round(seconds * fps)) / fps if times_s is None else times_s
            stream = _video_stream(container, path.suffix, fps, size, video_options or {})
            makers.append(_frames(stream, shown, picture or grey(size)))
        if sound is not None:
            stream = container.add_stream(_SOUND[path.suffix], rate=sample_rate_hz)
            stream.layout = "mono" if sound.ndim == 1 else "stereo"
            makers.append(_sound(stream, np.atleast_2d(sound), sample_rate_hz, sound_start_s))
        if cues is not None:
            stream = container.add_stream(subtitle_codec or _SUBTITLES[path.suffix])
            stream.codec_context.subtitle_header = _ASS_HEADER
            makers.append(_cues(stream, cues))
        packets = [packet for maker in makers for packet in maker]
        # FFmpeg interleaves ten seconds at most by itself.
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def _video_stream(
    container: av.container.OutputContainer,
    suffix: str,
    fps: float,
    size: tuple[int, int],
    options: dict[str, str],
) -> av.VideoStream:
    stream = container.add_stream(_VIDEO[suffix], rate=Fraction(fps).limit_denominator(1000))
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    if suffix == ".avi":
        stream.options = {"b": "2000000"} | options
    else:
        stream.codec_context.time_base = _TICK
        stream.options = {"preset": "ultrafast", "crf": "1"} | options
    return stream


def _frames(stream: av.VideoStream, times_s: Sequence[float], picture: Picture) -> Iterator[av.Packet]:
    for time_s in times_s:
        frame = av.VideoFrame.from_ndarray(picture(float(time_s)), format="rgb24")
        frame.time_base = _TICK
        frame.pts = round(float(time_s) * 1000)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _sound(
    stream: av.AudioStream, samples: NDArray[np.float32], rate_hz: int, start_s: float
) -> Iterator[av.Packet]:
    layout = stream.layout.name
    for start in range(0, samples.shape[1], 1024):
        block = np.ascontiguousarray(samples[:, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate = rate_hz
        frame.time_base = Fraction(1, rate_hz)
        frame.pts = round(start_s * rate_hz) + start
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _cues(stream: av.Stream, cues: Iterable[tuple[float, float, str]]) -> Iterator[av.Packet]:
    for number, (start_s, end_s, text) in enumerate(cues):
        content = text.encode()
        if stream.codec_context.name == "mov_text":
            content = len(content).to_bytes(2, "big") + content
        elif stream.codec_context.name == "ass":
            content = f"{number},0,Default,,0,0,0,,{text}".encode()
        packet = av.Packet(content)
        packet.stream, packet.time_base = stream, _TICK
        packet.pts = packet.dts = round(start_s * 1000)
        packet.duration = round((end_s - start_s) * 1000)
        yield packet
