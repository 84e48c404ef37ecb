"""Keeps the packets that an alert may ask for, and has its snapshot and its clip written in time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifuse.systems.surveillance.watch.evidence.packets import PacketRing
from trifuse.systems.surveillance.watch.evidence.writer import CLIP, SNAPSHOT

if TYPE_CHECKING:
    from trifuse.systems.surveillance.watch.evidence.writer import EvidenceWriter
    from trifuse.systems.surveillance.watch.incidents import Alert

# Half a minute of a large picture; whatever does not fit is lost, not the camera.
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class EvidenceSettings:
    """How many seconds a clip shows before an incident begins and after it was told."""

    before_s: float = 5.0
    after_s: float = 5.0


@dataclass(frozen=True)
class _PendingClip:
    alert: Alert
    start_s: float
    end_s: float


class EvidenceKeeper:
    """One camera's: told by the capture how far it is, by the scorer what happened; shared by threads.

    `reach_back_s` is how long before the end of its window an incident may have begun.
    """

    def __init__(self, settings: EvidenceSettings, writer: EvidenceWriter, reach_back_s: float) -> None:
        self.ring = PacketRing(_MOST_BYTES)
        self._settings, self._writer, self._reach_back_s = settings, writer, reach_back_s
        self._lock = threading.Lock()
        self._pending: list[_PendingClip] = []
        self._assessed_s = self._reached_s = 0.0
        self._connection_ended = False

    @property
    def keep_from_s(self) -> float:
        """The media time from which on packets may be asked for."""
        with self._lock:
            first_s = self._assessed_s - self._reach_back_s - self._settings.before_s
            return min([first_s, *(pending.start_s for pending in self._pending)])

    def assessed(self, end_s: float) -> None:
        """Note that the windows up to a media time were assessed, or never will be."""
        with self._lock:
            self._assessed_s = max(self._assessed_s, end_s)

    def keep(self, alert: Alert) -> None:
        """Have a snapshot of a new incident written now, and a clip when its time has come."""
        now = self.ring.excerpt(alert.time_s, alert.time_s)
        if now:
            self._writer.write(SNAPSHOT, alert, now)
        start_s = min(alert.started_s, alert.time_s) - self._settings.before_s
        with self._lock:
            self._pending.append(_PendingClip(alert, start_s, alert.time_s + self._settings.after_s))
        self._write_due()

    def reached(self, time_s: float) -> None:
        """Note the media time that the packets have reached."""
        with self._lock:
            self._reached_s, self._connection_ended = time_s, False
        self._write_due()

    def ended(self) -> None:
        """Note that the packets end here: clips show what there is."""
        with self._lock:
            self._connection_ended = True
        self._write_due()

    def forget(self) -> None:
        """Let go of the packets: nothing more will happen."""
        self.ring.clear()

    def _write_due(self) -> None:
        with self._lock:
            due = [
                pending
                for pending in self._pending
                if self._connection_ended or pending.end_s <= self._reached_s
            ]
            self._pending = [pending for pending in self._pending if pending not in due]
        for pending in due:
            clip = self.ring.excerpt(pending.start_s, pending.end_s)
            if clip:
                self._writer.write(CLIP, pending.alert, clip)
