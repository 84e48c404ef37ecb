"""A window of a recording: decoding MP4, MKV, AVI, Ogg and transport streams with PyAV."""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.stream import Disposition
from av.subtitles.subtitle import AssSubtitle

from trifuse.errors import InputError
from trifuse.preprocessing.audio import SoundWindow
from trifuse.preprocessing.subtitles import Cue, text_between
from trifuse.preprocessing.video import FrameWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from trifuse.preprocessing.audio import AudioSettings
    from trifuse.preprocessing.video import VideoSettings

    _Takers = dict[int, Callable[[Any], bool]]

# Media files only: playlists would make the server open other files and addresses.
_FORMATS = "avi,flv,matroska,mov,mpegts,ogg,wav"
# Larger than any camera's picture; a damaged header could ask for gigabytes.
_MAX_PIXELS = 2**24
# Bounds the samples in memory (38 MB), whatever duration a damaged header claims.
_MAX_WINDOW_S = 600.0
# How long before a window decoding begins. Sound decoders need some packets to warm up, and key frames are
# found by decoding time. Transport streams and unfinished files have no index of them: where the first one
# found comes too late, decoding begins earlier.
_PREROLLS_S = (0.5, 12.0, math.inf)
# Muxers write what belongs together at most so far apart.
_INTERLEAVING_S = 10.0
# A subtitle that is shown in the window began at most so long before.
_LONGEST_CUE_S = 30.0


@dataclass(frozen=True)
class Clip:
    """A window of a recording; what the recording lacks is None.

    `frames` (T, S, S, 3) RGB, `pcm` (n,) mono from the window's start, shorter where the track ends early,
    `text` empty if nothing is said, `duration_s` of the window.
    """

    frames: NDArray[np.uint8] | None
    pcm: NDArray[np.float32] | None
    text: str | None
    duration_s: float


@dataclass(frozen=True)
class _Span:
    """A window on the clock of the file's time stamps, which begins at `origin_s`."""

    origin_s: float
    start_s: float
    end_s: float


def read_clip(
    source: bytes | Path,
    video: VideoSettings,
    audio: AudioSettings,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    cues: Sequence[Cue] | None = None,
) -> Clip:
    """Decode the window from `start_s` to `end_s` (default: the end) of a file's content or path.

    The text comes from `cues`, else from the file's own subtitle track. Of a damaged file what can be decoded
    is used. Raises InputError if there is neither a picture nor a sound in the window.
    """
    with _opened(source, video.max_clip_bytes) as container:
        span = _span(container, start_s, end_s)
        frames, pcm = _seen_and_heard(container, span, video, audio)
        if frames is None and pcm is None:
            raise InputError(
                "nothing in the window can be decoded",
                got=f"{span.start_s - span.origin_s:g}–{span.end_s - span.origin_s:g} s of {_name(source)}",
                expected="a picture or a sound",
            )
        if cues is None:
            cues = _own_cues(container, span)
    duration_s = span.end_s - span.start_s
    text = None if cues is None else text_between(cues, start_s, start_s + duration_s)
    return Clip(frames, pcm, text, duration_s)


def probe(source: bytes | Path) -> float:
    """Tell a recording's duration in seconds, from the header if it says so. Raises InputError."""
    with _opened(source) as container:
        return _duration_s(container)


@contextlib.contextmanager
def _opened(source: bytes | Path, max_bytes: int | None = None) -> Iterator[InputContainer]:
    if isinstance(source, bytes) and max_bytes is not None and len(source) > max_bytes:
        raise InputError(
            "the clip is too large",
            got=f"{len(source):,} bytes",
            expected=f"at most {max_bytes:,}",
            hint="Send a shorter or smaller clip",
        )
    options = {"format_whitelist": _FORMATS, "max_pixels": str(_MAX_PIXELS)}
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else str(source)
        container = av.open(file, "r", options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        raise InputError(
            f"{_name(source)} is not a recording that can be read",
            got=error.strerror,
            expected=_FORMATS,
        ) from error
    with container:
        yield container


def _name(source: bytes | Path) -> str:
    return str(source) if isinstance(source, Path) else "the clip"


def _duration_s(container: InputContainer) -> float:
    if container.duration is not None:
        return float(container.duration / av.time_base)
    # Recordings that were never finished do not say how long they are.
    ends_s = (
        _seconds(packet.pts + (packet.duration or 0), packet.time_base)
        for packet in _packets(container, math.inf)
        if packet.pts is not None
    )
    duration_s = max(ends_s, default=0.0) - _origin_s(container)
    _seek(container, _origin_s(container))
    return duration_s


def _origin_s(container: InputContainer) -> float:
    # Encoders of sound start a little before zero.
    return max(0.0, (container.start_time or 0) / av.time_base)


def _span(container: InputContainer, start_s: float, end_s: float | None) -> _Span:
    end_s = _duration_s(container) if end_s is None else end_s
    if not 0 <= start_s < end_s <= start_s + _MAX_WINDOW_S:
        raise InputError(
            "the window makes no sense",
            got=f"from {start_s:g} to {end_s:g} s",
            expected=f"0 <= start < end, at most {_MAX_WINDOW_S:g} s",
        )
    origin_s = _origin_s(container)
    return _Span(origin_s, origin_s + start_s, origin_s + end_s)


def _seen_and_heard(
    container: InputContainer, span: _Span, video: VideoSettings, audio: AudioSettings
) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32] | None]:
    """Decode, in one pass, the frames and the sound of a window."""
    picture, sound = _picture_track(container), _sound_track(container)
    for attempt, preroll_s in enumerate(_PREROLLS_S):
        seen = FrameWindow(span.start_s, span.end_s, video.frame_count, video.frame_size)
        heard = SoundWindow(span.start_s, span.end_s, audio.sample_rate_hz)
        takers: _Takers = {}
        if picture is not None:
            takers[picture.index] = seen.add
        if sound is not None:
            takers[sound.index] = heard.add
        first_s = max(span.origin_s, span.start_s - preroll_s)
        # Going to the very beginning would leave out what the sound's decoder needs before it.
        if first_s > span.origin_s or attempt:
            _seek(container, first_s)
        _decode(container, takers, span)
        if picture is None or first_s == span.origin_s or not seen.late:
            break
    return seen.frames(), heard.samples()


def _decode(container: InputContainer, takers: _Takers, span: _Span) -> None:
    """Decode the takers' tracks from where the file is, each until its taker wants no more."""
    for packet in _packets(container, span.end_s):
        track = packet.stream
        # Pictures are decoded from the key frame on; a sound needs only the packets just before it.
        early = track.type == "audio" and _time_s(packet, math.inf) < span.start_s - _PREROLLS_S[0]
        if track.index in takers and not early and not _feed(takers[track.index], packet):
            del takers[track.index]
        if not takers:
            break


def _picture_track(container: InputContainer) -> VideoStream | None:
    # Sound files carry their cover as a video of one picture.
    tracks = (track for track in container.streams.video if not track.disposition & Disposition.attached_pic)
    track = next((track for track in tracks if track.codec_context), None)
    if track is not None:
        # One thread: with more, damaged packets give other pixels every time, and 16 cameras share few cores.
        track.thread_type, track.codec_context.thread_count = "NONE", 1
        track.codec_context.options = {"max_pixels": str(_MAX_PIXELS)}
    return track


def _sound_track(container: InputContainer) -> AudioStream | None:
    return next((track for track in container.streams.audio if track.codec_context), None)


def _own_cues(container: InputContainer, span: _Span) -> list[Cue] | None:
    """Read what the file's own subtitle track shows in a window; None if it has none."""
    tracks = (track for track in container.streams.subtitles if track.codec_context)
    track = next((track for track in tracks if track.codec_context.codec.text_sub), None)
    if track is None:
        return None
    cues: list[Cue] = []
    _seek(container, max(span.origin_s, span.start_s - _LONGEST_CUE_S))
    for packet in _packets(container, span.end_s):
        if packet.stream.index == track.index and packet.pts is not None:
            shown_s = _time_s(packet, 0.0) - span.origin_s
            gone_s = shown_s + _seconds(packet.duration or 0, packet.time_base)
            with contextlib.suppress(av.FFmpegError):
                lines = [line for line in track.decode(packet) if isinstance(line, AssSubtitle)]
                cues += [Cue(shown_s, gone_s, line.dialogue.decode("utf-8", "replace")) for line in lines]
    return cues


def _seek(container: InputContainer, time_s: float) -> None:
    """Go to the key frame before a time; a file that cannot do that is read from where it is."""
    with contextlib.suppress(av.FFmpegError):
        container.seek(round(time_s * av.time_base))


def _packets(container: InputContainer, end_s: float) -> Iterator[Packet[Any]]:
    """Read all tracks from here to `end_s`, then give an empty packet for each, which flushes its decoder.

    A file that is damaged beyond reading ends there.
    """
    # PyAV stumbles over tracks that turn up after the header.
    with contextlib.suppress(av.FFmpegError, IndexError):
        for packet in container.demux():
            if _time_s(packet, -math.inf) > end_s + _INTERLEAVING_S:
                break
            yield packet
    for track in container.streams:
        flush: Packet[Any] = av.Packet()
        # Without the unit of time the frames that come out have none.
        flush.stream, flush.time_base = track, track.time_base or Fraction(1)
        yield flush


def _time_s(packet: Packet[Any], unknown_s: float) -> float:
    ticks = packet.dts if packet.pts is None else packet.pts
    return unknown_s if ticks is None else _seconds(ticks, packet.time_base)


def _seconds(ticks: int, tick: Fraction) -> float:
    # Fractions are slow to multiply, and every packet is asked for its time.
    return ticks * tick.numerator / tick.denominator


def _feed(take: Callable[[Any], bool], packet: Packet[Any]) -> bool:
    """Decode a packet and hand on what is in it until no more is wanted; tell whether more is."""
    try:
        return all(take(frame) for frame in packet.decode())
    except av.FFmpegError:
        # Damaged: the other packets are used.
        return True
