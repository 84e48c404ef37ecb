"""What a camera went through, in bounded memory: the longer the watch, the coarser."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trifuse.systems.surveillance.watch.incidents import Alert

MOST_POINTS = 4096
MOST_INCIDENTS = 1000


@dataclass(frozen=True)
class Point:
    """The highest scores of the windows that ended from `start_s` to `end_s`."""

    start_s: float
    end_s: float
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Incident:
    """An incident as it was last told; `told_s` is when it was new.

    `files` are the paths of its `snapshot` and its `clip`, as soon as they are written.
    """

    alert: Alert
    told_s: float
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Silence:
    """A time without pictures; `end_s` is None while it lasts."""

    start_s: float
    end_s: float | None = None


class History:
    """Keeps scores, the newest incidents and silences of one camera."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.incidents: dict[str, Incident] = {}
        self.silences: deque[Silence] = deque(maxlen=MOST_INCIDENTS)
        self.thresholds: Mapping[str, float] = {}

    def add_scores(self, time_s: float, scores: Mapping[str, float], thresholds: Mapping[str, float]) -> None:
        """Add a window's scores; when there are too many, pairs of neighbours become one."""
        self.thresholds = thresholds
        self.points.append(Point(time_s, time_s, scores))
        if len(self.points) > MOST_POINTS:
            pairs = zip(self.points[::2], self.points[1::2], strict=False)
            self.points = [_merged(first, second) for first, second in pairs] + self.points[-1:]

    def add_alert(self, alert: Alert) -> None:
        """Take an alert; the oldest incidents are forgotten."""
        known = self.incidents.get(alert.id, Incident(alert, alert.time_s))
        self.incidents[alert.id] = replace(known, alert=alert)
        if len(self.incidents) > MOST_INCIDENTS:
            del self.incidents[next(iter(self.incidents))]

    def add_evidence(self, incident: str, kind: str, path: str) -> None:
        """Remember where an incident's `snapshot` or `clip` is."""
        known = self.incidents.get(incident)
        if known:
            known.files[kind] = path

    def begin_silence(self, time_s: float) -> None:
        """Note that the camera shows nothing from now on."""
        self.silences.append(Silence(time_s))

    def end_silence(self, time_s: float) -> None:
        """Note that it is back."""
        self.silences[-1] = Silence(self.silences[-1].start_s, time_s)


def _merged(first: Point, second: Point) -> Point:
    scores = {name: max(score, second.scores.get(name, 0.0)) for name, score in first.scores.items()}
    return Point(first.start_s, second.end_s, scores)
