"""The last encoded packets of a camera, kept without decoding them again."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fractions import Fraction

    from trifuse.systems.surveillance.watch.evidence.tracks import TrackTemplates

VIDEO, AUDIO = "video", "audio"
# Sound can be cut anywhere: without video it is dropped in pieces of this length.
_SOUND_PIECE_S = 1.0


class EncodedPacket(NamedTuple):
    """A packet, the media time at which it is shown, and how many seconds before that it is decoded."""

    kind: str
    time_s: float
    ahead_s: float
    data: bytes
    is_keyframe: bool
    time_base: Fraction


@dataclass(frozen=True)
class Excerpt:
    """Packets that can be decoded from the first on, and the tracks that they belong to."""

    packets: tuple[EncodedPacket, ...]
    tracks: TrackTemplates


@dataclass
class _Group:
    """Packets from a key frame to the next."""

    start_s: float
    packets: list[EncodedPacket] = field(default_factory=list)
    bytes: int = 0


class PacketRing:
    """Holds a camera's packets of the last seconds, at most `max_bytes`; shared by threads."""

    def __init__(self, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._groups: deque[_Group] = deque()
        self._bytes, self._max_bytes = 0, max_bytes
        self._tracks: TrackTemplates | None = None

    def restart(self, tracks: TrackTemplates) -> None:
        """Begin with the tracks of a new connection; the packets of the one before are forgotten."""
        with self._lock:
            self._groups.clear()
            self._bytes, self._tracks = 0, tracks

    def clear(self) -> None:
        """Forget all packets."""
        with self._lock:
            self._groups.clear()
            self._bytes, self._tracks = 0, None

    def add(self, packet: EncodedPacket, keep_from_s: float) -> None:
        """Add a packet, and drop those that are not needed to show the time from `keep_from_s` on."""
        with self._lock:
            if self._begins_group(packet):
                self._groups.append(_Group(packet.time_s))
            if not self._groups:
                return
            self._groups[-1].packets.append(packet)
            self._groups[-1].bytes += len(packet.data)
            self._bytes += len(packet.data)
            while self._groups and (
                self._bytes > self._max_bytes
                or (len(self._groups) > 1 and self._groups[1].start_s <= keep_from_s)
            ):
                self._bytes -= self._groups.popleft().bytes

    def excerpt(self, start_s: float, end_s: float) -> Excerpt | None:
        """Take the packets from the last key frame before a time up to another; None if there are none."""
        with self._lock:
            groups = list(self._groups)
            if not groups or self._tracks is None:
                return None
            first = max((i for i, group in enumerate(groups) if group.start_s <= start_s), default=0)
            packets = [one for group in groups[first:] for one in group.packets if one.time_s <= end_s]
            return Excerpt(tuple(packets), self._tracks) if packets else None

    def _begins_group(self, packet: EncodedPacket) -> bool:
        if packet.kind == VIDEO:
            return packet.is_keyframe
        if self._tracks is None or VIDEO in self._tracks.kinds:
            return False
        return not self._groups or packet.time_s - self._groups[-1].start_s >= _SOUND_PIECE_S
