"""One event of one camera from window to window: one alert an incident, new, updates, end."""

from __future__ import annotations

import math
import uuid
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trifuse.systems.surveillance.watch.alert_settings import AlertSettings

# Scores further apart than this many strides are not of one incident.
_GAP_STRIDES = 5


@dataclass(frozen=True)
class Alert:
    """What happened at one camera: an incident that is `new`, goes on (`update`) or has come to its `end`.

    `id` is that of the incident. Times are media times in seconds: the incident began about `started_s`
    and was seen until `until_s`; `time_s` is the end of the window that told so. `score` is smoothed,
    `peak` the highest so far, `scores` are all of the window (none where the picture ended), `version` is
    the published version that gave them. `box` (x0, y0, x1, y1 as shares of width and height) and
    `unattended_s` belong to an object left behind. `reason` says why an incident was closed though it may
    go on.
    """

    state: Literal["new", "update", "end"]
    id: str
    camera: str
    event: str
    started_s: float
    until_s: float
    time_s: float
    score: float
    peak: float
    scores: Mapping[str, float] = field(default_factory=dict)
    version: int | None = None
    box: tuple[float, float, float, float] | None = None
    unattended_s: float | None = None
    reason: str | None = None


def new_id() -> str:
    """Make an id that no other incident has, now or after a restart."""
    return uuid.uuid4().hex


class _Score(NamedTuple):
    start_s: float
    end_s: float
    score: float


class EventTrack:
    """Follows one event of one camera; knows at most one open incident."""

    def __init__(self, camera: str, event: str, settings: AlertSettings) -> None:
        self._camera, self._event, self._settings = camera, event, settings
        self._last: deque[_Score] = deque(maxlen=settings.smoothing.n)
        self._open: Alert | None = None
        self._told_s = 0.0
        self._next_s = -math.inf

    @property
    def is_open(self) -> bool:
        """Whether an incident is going on."""
        return self._open is not None

    def update(self, start_s: float, end_s: float, score: float, threshold: float) -> Alert | None:
        """Take the score of the window from start to end; returns what is to be told, if anything is."""
        if self._last and end_s - self._last[-1].end_s > _GAP_STRIDES * self._settings.stride_s:
            self._last.clear()
        self._last.append(_Score(start_s, end_s, score))
        smoothed = self._settings.smoothing(one.score for one in self._last)
        if self._open:
            return self._go_on(self._open, end_s, smoothed, threshold)
        if smoothed >= threshold and end_s >= self._next_s:
            self._open = self._begin(end_s, smoothed, threshold)
        return self._open

    def close(self, time_s: float, reason: str) -> Alert | None:
        """Forget the scores and end the open incident, of which nothing more can be seen."""
        self._last.clear()
        return self._end(self._open, time_s, 0.0, reason) if self._open else None

    def _begin(self, end_s: float, smoothed: float, threshold: float) -> Alert:
        started_s = next(one.start_s for one in self._last if one.score >= threshold)
        self._told_s = end_s
        camera, event = self._camera, self._event
        return Alert("new", new_id(), camera, event, started_s, end_s, end_s, smoothed, smoothed)

    def _go_on(self, incident: Alert, end_s: float, smoothed: float, threshold: float) -> Alert | None:
        goes_on = smoothed >= threshold * self._settings.end_share
        if not goes_on and end_s - incident.until_s >= self._settings.quiet_s:
            return self._end(incident, end_s, smoothed)
        until_s = end_s if goes_on else incident.until_s
        peak = max(incident.peak, smoothed)
        self._open = replace(
            incident, state="update", until_s=until_s, time_s=end_s, score=smoothed, peak=peak
        )
        if end_s - self._told_s < self._settings.update_s:
            return None
        self._told_s = end_s
        return self._open

    def _end(self, incident: Alert, time_s: float, smoothed: float, reason: str | None = None) -> Alert:
        self._open, self._next_s = None, time_s + self._settings.cooldown_s
        return replace(incident, state="end", time_s=time_s, score=smoothed, reason=reason)
