"""One camera's state: what waits to be assessed, what was decided, and whether it still shows anything."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trifuse.systems.surveillance.contract import ABNORMAL
from trifuse.systems.surveillance.watch.history import History
from trifuse.systems.surveillance.watch.presence import Presence
from trifuse.systems.surveillance.watch.records import PROBLEM, alert_record, record
from trifuse.systems.surveillance.watch.zones import zone_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from trifuse.systems.surveillance.calls import Assessment
    from trifuse.systems.surveillance.watch.alerts import AlertLogic
    from trifuse.systems.surveillance.watch.evidence.keeper import EvidenceKeeper
    from trifuse.systems.surveillance.watch.feed import Feed, SeenWindow
    from trifuse.systems.surveillance.watch.incidents import Alert
    from trifuse.systems.surveillance.watch.records import Record
    from trifuse.systems.surveillance.watch.sources import Source
    from trifuse.systems.surveillance.watch.waiting import WaitingRoom
    from trifuse.systems.surveillance.watch.zones import Zone

_LATENCIES = 1000


@dataclass(frozen=True)
class Waiting:
    """A window, and when it was complete (on the monotonic clock)."""

    seen: SeenWindow
    complete_at_s: float


@dataclass(frozen=True)
class CameraSettings:
    """How one camera is treated.

    `zones` give the alerts' boxes a name. A live camera that shows nothing for `silent_after_s` is told to be
    silent. A `patient` source, a file that need not be played in real time, waits for the scorer; of the
    others the oldest windows are dropped.
    """

    zones: tuple[Zone, ...] = ()
    silent_after_s: float = 10.0
    patient: bool = False


class Camera:
    """Passes windows from capture to scorer, and what the scorer says to the alerts; shared by threads."""

    def __init__(
        self,
        source: Source,
        feed: Feed,
        alerts: AlertLogic,
        keeper: EvidenceKeeper,
        room: WaitingRoom[Waiting],
        report: Callable[[Record], None],
        settings: CameraSettings,
    ) -> None:
        self.source, self.history = source, History()
        self._feed, self._alerts, self._keeper = feed, alerts, keeper
        self._room, self._report, self._settings = room, report, settings
        self._presence = Presence(source.name, settings.silent_after_s)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._latencies_s: deque[float] = deque(maxlen=_LATENCIES)
        self._trouble_told = self._damage_told = False
        self.ended = False

    @property
    def was_connected(self) -> bool:
        """Whether the source could ever be opened."""
        return self._counts["connections"] > 0

    @property
    def trouble(self) -> str | None:
        """Why there is no connection, as far as that is known."""
        return self._presence.trouble

    def connected(self) -> None:
        """Count a connection."""
        self._counts["connections"] += 1

    def disconnected(self, reason: str) -> None:
        """Tell why there is no connection, once until there is one that shows something."""
        self._keeper.ended()
        self._presence.trouble = reason
        if not self._trouble_told:
            self._trouble_told = True
            self._report(record(PROBLEM, self.source.name, problem=reason, source=self.source.shown))

    def progressed(self) -> None:
        """Note that the camera shows something."""
        self._trouble_told, self._presence.trouble = False, None
        self._keeper.reached(self._feed.newest_s)
        back = self._presence.seen()
        if back:
            self.history.end_silence(self._feed.newest_s)
            self._report(back)

    def window(self, seen: SeenWindow) -> None:
        """Let a window wait for the scorer."""
        self._counts["windows"] += 1
        self._tell_damage()
        self._feed.keep_from_s = self._keeper.keep_from_s
        waiting = Waiting(seen, time.monotonic())
        if self._settings.patient:
            self._room.put_patiently(self.source.name, waiting)
            return
        dropped = self._room.put(self.source.name, waiting)
        if dropped:
            self._counts["dropped"] += 1
            self._keeper.assessed(dropped.seen.end_s)

    def finished(self) -> None:
        """Note that the source has ended; what was cut out of it may still wait."""
        self._tell_damage()
        self._keeper.ended()
        self.ended = True
        self._close_if_done()

    def assessed(self, waiting: Waiting, assessment: Assessment) -> None:
        """Decide on a window, tell what there is to tell, then have the evidence written."""
        seen = waiting.seen
        with self._lock:
            scores = {ABNORMAL: assessment.abnormal, **assessment.events}
            self.history.add_scores(seen.end_s, scores, self._alerts.thresholds(assessment))
            told = self._alerts.update(seen.start_s, seen.end_s, assessment, seen.left)
            self._tell(told, waiting.complete_at_s)
        self._latencies_s.append(time.monotonic() - waiting.complete_at_s)
        for alert in told:
            if alert.state == "new":
                self._keeper.keep(alert)
        self._keeper.assessed(seen.end_s)
        self._counts["assessed"] += 1
        self._close_if_done()

    def failed(self, waiting: Waiting) -> None:
        """Note that a window could not be assessed."""
        self._counts["failed"] += 1
        self._keeper.assessed(waiting.seen.end_s)
        self._close_if_done()

    def check_presence(self) -> None:
        """Tell if a live camera has fallen silent; its incidents are over, as far as anybody can see."""
        silent = self._presence.check() if self.source.live and not self.ended else None
        if silent:
            self.history.begin_silence(self._feed.newest_s)
            self._report(silent)
            self.close("the camera is silent")

    def close(self, reason: str) -> None:
        """End all incidents."""
        with self._lock:
            self._tell(self._alerts.close(self._feed.newest_s, reason))

    def summary(self) -> dict[str, Any]:
        """Count what came and went; latencies in seconds, of the last thousand windows."""
        names = ("windows", "assessed", "dropped", "failed", "connections", "alerts")
        counts: dict[str, Any] = {name: self._counts[name] for name in names}
        counts |= {"shown": self._feed.shown, "corrupt_packets": self._feed.corrupt}
        counts["unreadable_transcript_lines"] = self._feed.unreadable_lines
        latencies = sorted(self._latencies_s)
        if latencies:
            counts["latency_p50_s"] = latencies[len(latencies) // 2]
            counts["latency_p90_s"] = latencies[len(latencies) * 9 // 10]
        return {"source": self.source.shown, "watched_s": self._feed.newest_s, **counts}

    def _close_if_done(self) -> None:
        done = self._counts["assessed"] + self._counts["dropped"] + self._counts["failed"]
        if self.ended and done == self._counts["windows"]:
            self.close("the source has ended")
            self._keeper.forget()

    def _tell_damage(self) -> None:
        if self._feed.corrupt and not self._damage_told:
            self._damage_told = True
            problem = "damaged packets, of which the summary tells how many; what can be decoded is watched"
            self._report(record(PROBLEM, self.source.name, problem=problem, time_s=self._feed.newest_s))

    def _tell(self, alerts: Iterable[Alert], complete_at_s: float | None = None) -> None:
        for alert in alerts:
            self._counts["alerts"] += alert.state == "new"
            self.history.add_alert(alert)
            latency_s = None if complete_at_s is None else time.monotonic() - complete_at_s
            zone = zone_of(alert.box, self._settings.zones) if alert.box else None
            self._report(alert_record(alert, latency_s=latency_s, zone=zone))
