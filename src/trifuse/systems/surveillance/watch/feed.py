"""One camera's packets, decoded once: windows, the scene, the words, and the packets themselves for clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import av
from av.stream import Disposition
from av.subtitles.subtitle import AssSubtitle

from trifuse.preprocessing.subtitles import Cue
from trifuse.systems.surveillance.watch.evidence.packets import AUDIO, VIDEO, EncodedPacket, PacketRing
from trifuse.systems.surveillance.watch.evidence.tracks import TrackTemplates
from trifuse.systems.surveillance.watch.windows import WindowCutter
from trifuse.systems.surveillance.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.packet import Packet

    from trifuse.systems.surveillance.scene.analyser import LeftObject
    from trifuse.systems.surveillance.watch.media_clock import MediaClock
    from trifuse.systems.surveillance.watch.scene_watch import SceneWatch
    from trifuse.systems.surveillance.watch.windows import Piece, WindowSettings
    from trifuse.systems.surveillance.watch.words import Words

SUBTITLE = "subtitle"
_USUAL_FPS = 25


@dataclass(frozen=True)
class SeenWindow:
    """A window of a camera between media times, and the objects that lay about at its end."""

    start_s: float
    end_s: float
    window: Window
    left: tuple[LeftObject, ...]


class Feed:
    """Takes one connection after the other; keeps packets from `keep_from_s` on in the ring.

    `shown` counts the pictures, or the pieces of sound where there are none; `corrupt` the damaged packets.
    """

    def __init__(
        self, settings: WindowSettings, clock: MediaClock, words: Words, scene: SceneWatch, ring: PacketRing
    ) -> None:
        self._clock, self._words, self._scene, self._ring = clock, words, scene, ring
        self._cutter = WindowCutter(settings)
        self._tracks: dict[int, str] = {}
        self._main = VIDEO
        self.shown = self.corrupt = 0
        self.keep_from_s = 0.0

    def connect(self, container: InputContainer) -> list[Any]:
        """Begin a connection; returns the tracks that are to be demuxed. Raises ValueError if it has none."""
        streams = _tracks(container, subtitles=self._words.wants_track)
        kinds = [stream.type for stream in streams if stream.type != SUBTITLE]
        if not kinds:
            raise ValueError("neither pictures nor sound in it")
        self._tracks = {stream.index: stream.type for stream in streams}
        self._main = VIDEO if VIDEO in kinds else AUDIO
        self._cutter.connect(kinds)
        self._words.connect(has_track=SUBTITLE in self._tracks.values())
        self._ring.restart(TrackTemplates([stream for stream in streams if stream.type != SUBTITLE]))
        start = container.start_time
        # Encoders of sound start a little before zero.
        self._clock.restart(None if start is None else max(0.0, start / av.time_base))
        return streams

    @property
    def unreadable_lines(self) -> int:
        """How many lines of the camera's transcript were none."""
        return self._words.unreadable_lines

    @property
    def newest_s(self) -> float:
        """The media time that has been reached."""
        return self._clock.latest_s

    def take(self, packet: Packet[Any]) -> Iterator[SeenWindow]:
        """Decode a packet and yield the windows that are complete with it; damaged packets are counted."""
        kind = self._tracks[packet.stream_index]
        if packet.size and kind != SUBTITLE:
            self._keep(kind, packet)
        self.corrupt += packet.is_corrupt
        try:
            frames = packet.decode()
        except (av.FFmpegError, ValueError):
            # ValueError: what was decoded is in a format that PyAV does not know.
            self.corrupt += 1
            return
        for frame in frames:
            if kind == SUBTITLE:
                self._take_subtitle(packet, frame)
            else:
                yield from self._take_frame(kind, frame)

    def finish(self) -> Iterator[SeenWindow]:
        """Yield what is left when nothing more comes, and let go of the pictures."""
        yield from map(self._seen, self._cutter.finish())
        self._scene.forget()

    def _keep(self, kind: str, packet: Packet[Any]) -> None:
        stamp = packet.dts if packet.pts is None else packet.pts
        tick_s = float(packet.time_base)
        time_s = self._clock.time_s(f"{kind} packets", None if stamp is None else stamp * tick_s)
        ahead = packet.pts - packet.dts if packet.pts is not None and packet.dts is not None else 0
        kept = EncodedPacket(
            kind, time_s, ahead * tick_s, bytes(packet), packet.is_keyframe, packet.time_base
        )
        self._ring.add(kept, self.keep_from_s)

    def _take_frame(self, kind: str, frame: Any) -> Iterator[SeenWindow]:
        step_s = 1 / _USUAL_FPS if kind == VIDEO else frame.samples / frame.sample_rate
        time_s = self._clock.time_s(kind, frame.time, step_s)
        self._cutter.add(kind, frame, time_s)
        yield from map(self._seen, self._cutter.cut())
        self.shown += kind == self._main
        if kind == VIDEO:
            self._scene.add(frame, time_s)

    def _take_subtitle(self, packet: Packet[Any], subtitle: Any) -> None:
        if isinstance(subtitle, AssSubtitle) and packet.pts is not None:
            tick_s = float(packet.time_base)
            shown_s = self._clock.time_s(SUBTITLE, packet.pts * tick_s)
            gone_s = shown_s + (packet.duration or 0) * tick_s
            self._words.add(Cue(shown_s, gone_s, subtitle.dialogue.decode("utf-8", "replace")))

    def _seen(self, piece: Piece) -> SeenWindow:
        text = self._words.between(piece.start_s, piece.end_s)
        scene = self._scene.evidence(piece.start_s) if piece.frames is not None else None
        window = Window(piece.frames, piece.pcm, text, scene)
        return SeenWindow(piece.start_s, piece.end_s, window, self._scene.left)


def _tracks(container: InputContainer, *, subtitles: bool) -> list[Any]:
    """Pick one track of each kind; a cover picture is no video, and what cannot be decoded is no track."""
    kinds = (VIDEO, AUDIO, SUBTITLE) if subtitles else (VIDEO, AUDIO)
    picked: dict[str, Any] = {}
    for stream in container.streams:
        cover = stream.type == VIDEO and stream.disposition & Disposition.attached_pic
        if stream.type in kinds and stream.codec_context is not None and not cover:
            picked.setdefault(stream.type, stream)
    if VIDEO in picked:
        # One thread: many cameras share few cores, and more threads would hold pictures back.
        picked[VIDEO].thread_type, picked[VIDEO].codec_context.thread_count = "NONE", 1
    return list(picked.values())
