"""The annotated incidents of long recordings and the alerts that were told: which belong together, how soon.

The rule: an alert finds an incident of its event if its window ends from a second before the incident is due
to 5 s after its end. An object left behind is due when it has been alone for the dwell time, and is found in
the 10 s after that. One alert finds one incident, the earliest first. A further alert of an incident that was
found is a duplicate until 5 s after the incident's end; everything else is a false alarm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from trifuse.systems.surveillance.watch.left_objects import ABANDONED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EARLY_S, LATE_S, LEFT_LATE_S = 1.0, 5.0, 10.0
# Footage is normal where nothing annotated is so near.
NORMAL_MARGIN_S = 5.0

Box = tuple[float, float, float, float]
Stretch = tuple[float, float]


@dataclass(frozen=True)
class Annotation:
    """An incident that happens between media times; there is something to tell of it from `due_s` on.

    `box` (x0, y0, x1, y1 as shares of width and height) is where an object is left behind.
    """

    event: str
    start_s: float
    end_s: float
    due_s: float
    box: Box | None = None

    @property
    def is_due(self) -> bool:
        """Whether it lasts until there is something to tell."""
        return self.due_s <= self.end_s

    def is_found_at(self, time_s: float) -> bool:
        """Say whether an alert of this time finds it."""
        return self.due_s - EARLY_S <= time_s <= self._latest_s

    def is_repeated_at(self, time_s: float) -> bool:
        """Say whether an alert of this time, after the one that found it, tells of it again."""
        return self.due_s - EARLY_S <= time_s <= max(self._latest_s, self.end_s + LATE_S)

    @property
    def _latest_s(self) -> float:
        return self.due_s + LEFT_LATE_S if self.event == ABANDONED else self.end_s + LATE_S


@dataclass(frozen=True)
class Recording:
    """A file of `duration_s` seconds and what happens in it."""

    id: str
    path: Path
    duration_s: float
    annotations: tuple[Annotation, ...]

    def normal_stretches(self) -> list[Stretch]:
        """List the times, in seconds, at which nothing annotated is near."""
        padded = ((one.start_s - NORMAL_MARGIN_S, one.end_s + NORMAL_MARGIN_S) for one in self.annotations)
        now_s, found = 0.0, []
        for start_s, end_s in sorted([*padded, (self.duration_s, math.inf)]):
            if start_s > now_s:
                found.append((now_s, start_s))
            now_s = max(now_s, end_s)
        return found


class NewAlert(NamedTuple):
    """What a watch told at the end of a window, in media time."""

    event: str
    time_s: float
    box: Box | None = None


@dataclass(frozen=True)
class Verdict:
    """An alert and what it was: `found` or `duplicate` with its incident, or `false`."""

    alert: NewAlert
    kind: Literal["found", "duplicate", "false"]
    annotation: Annotation | None = None


@dataclass(frozen=True)
class Judged:
    """A recording with the verdicts on all its alerts, in order of time, and the incidents nobody told of."""

    recording: Recording
    verdicts: tuple[Verdict, ...]
    missed: tuple[Annotation, ...]


def match(recording: Recording, alerts: Sequence[NewAlert]) -> Judged:
    """Judge the alerts of a recording by the rule."""
    waiting = sorted((one for one in recording.annotations if one.is_due), key=lambda one: one.start_s)
    found: list[Annotation] = []
    verdicts = []
    for alert in sorted(alerts, key=lambda alert: alert.time_s):
        alike = (one for one in waiting if one.event == alert.event)
        first = next((one for one in alike if one.is_found_at(alert.time_s)), None)
        if first:
            waiting.remove(first)
            found.append(first)
            verdicts.append(Verdict(alert, "found", first))
        else:
            verdicts.append(_unmatched(alert, found))
    return Judged(recording, tuple(verdicts), tuple(waiting))


def _unmatched(alert: NewAlert, found: Sequence[Annotation]) -> Verdict:
    for one in reversed(found):
        if one.event == alert.event and one.is_repeated_at(alert.time_s):
            return Verdict(alert, "duplicate", one)
    return Verdict(alert, "false")
