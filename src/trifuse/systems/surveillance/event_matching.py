"""The annotated incidents of long recordings and the alerts that were told: which belong together, how soon.

The rule: an alert finds an incident of its event if its window ends from a second before the incident is due
to 5 s after its end. An object left behind is due when it has been alone for the dwell time, and is found in
the 10 s after that. One alert finds one incident, the earliest first. A further alert of an incident that was
found is a duplicate until 5 s after the incident's end; everything else is a false alarm.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from trifuse.errors import ArtifactError
from trifuse.systems.surveillance.contract import EVENTS
from trifuse.systems.surveillance.watch.left_objects import ABANDONED
from trifuse.systems.surveillance.watch.records import ALERT
from trifuse.training.bootstrap import Interval, paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

EARLY_S, LATE_S, LEFT_LATE_S = 1.0, 5.0, 10.0
# Footage is normal where nothing annotated is so near.
NORMAL_MARGIN_S = 5.0
LEAST_OVERLAP = 0.5
ALL = "all"
_Z = NormalDist().inv_cdf(0.975)

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


def read_recordings(listing: Path, dwell_s: float) -> list[Recording]:
    """Read a list of annotated recordings; objects left behind are due after `dwell_s`.

    Raises ArtifactError with the line that is wrong.
    """
    found = [_recording(row, where, listing.parent, dwell_s) for where, row in _rows(listing)]
    if not found:
        raise ArtifactError(f"{listing} names no recordings")
    return found


def read_alerts(records: Path) -> dict[str, list[NewAlert]]:
    """Read the new alerts by camera from the JSON lines of a watch. Raises ArtifactError."""
    found: dict[str, list[NewAlert]] = {}
    for where, row in _rows(records):
        if row.get("record") != ALERT or row.get("state") != "new":
            continue
        try:
            alert = NewAlert(row["event"], float(row["time_s"]), _box(row))
            found.setdefault(row["camera"], []).append(alert)
        except (ValueError, TypeError, KeyError) as error:
            raise ArtifactError(f"{where} is no alert", got=error) from error
    return found


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


def figures(judged: Sequence[Judged]) -> dict[str, dict[str, Any]]:
    """Count and measure by event, and for all of them.

    `precision` leaves duplicates out; `told_once` counts the incidents with exactly one alert. Shares have
    Wilson's 95 % interval, false alarms per hour Byar's, as a bootstrap of what never varies has no width;
    the mean delay in seconds, from when the incident was due, has a bootstrap's over incidents. What has no
    value is None.
    """
    return {event: _figures(judged, [event]) for event in EVENTS} | {ALL: _figures(judged, EVENTS)}


def hours(judged: Sequence[Judged]) -> float:
    """Add up how long the recordings are."""
    return sum(one.recording.duration_s for one in judged) / 3600


def normal_hours(judged: Sequence[Judged]) -> float:
    """Add up how long nothing annotated is near."""
    stretches = (stretch for one in judged for stretch in one.recording.normal_stretches())
    return sum(end_s - start_s for start_s, end_s in stretches) / 3600


def share(count: int, total: int) -> Interval | None:
    """Give a share of independent cases Wilson's 95 % interval; None if there are none.

    Source: Wilson, Probable inference (1927), https://doi.org/10.1080/01621459.1927.10502953.
    """
    if not total:
        return None
    mean, shrink = count / total, 1 + _Z**2 / total
    centre = (mean + _Z**2 / (2 * total)) / shrink
    half = _Z * math.sqrt(mean * (1 - mean) / total + (_Z / (2 * total)) ** 2) / shrink
    return Interval(mean, max(0.0, centre - half), min(1.0, centre + half))


def rate(count: int, exposure: float) -> Interval | None:
    """Give a number of rare events per unit of exposure Byar's 95 % interval; None without exposure.

    The upper bound is within a percent of the exact one; the lower is somewhat too low for a handful.
    Source: Breslow and Day, Statistical Methods in Cancer Research II (1987), section 2.3.
    """
    if not exposure:
        return None
    low = count * (1 - 1 / (9 * count) - _Z / (3 * math.sqrt(count))) ** 3 if count else 0.0
    more = count + 1
    high = more * (1 - 1 / (9 * more) + _Z / (3 * math.sqrt(more))) ** 3
    return Interval(count / exposure, low / exposure, high / exposure)


def overlap(first: Box, second: Box) -> float:
    """Compute the intersection of two boxes over their union."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    common = max(0.0, width) * max(0.0, height)
    return common / (_area(first) + _area(second) - common)


def _figures(judged: Sequence[Judged], events: Sequence[str]) -> dict[str, Any]:
    verdicts = [(one, verdict) for one in judged for verdict in one.verdicts if verdict.alert.event in events]
    found = [verdict for _, verdict in verdicts if verdict.kind == "found"]
    repeated = [
        (one.recording.id, verdict.annotation) for one, verdict in verdicts if verdict.kind == "duplicate"
    ]
    false = [(one.recording, verdict.alert) for one, verdict in verdicts if verdict.kind == "false"]
    missed = sum(annotation.event in events for one in judged for annotation in one.missed)
    on_normal = sum(_is_normal(recording, alert.time_s) for recording, alert in false)
    return {
        "incidents": len(found) + missed,
        "found": len(found),
        "told_once": len(found) - len(set(repeated)),
        "duplicates": len(repeated),
        "false_alarms": len(false),
        "recall": _plain(share(len(found), len(found) + missed)),
        "precision": _plain(share(len(found), len(found) + len(false))),
        "f1": len(found) / (len(found) + (missed + len(false)) / 2) if verdicts or missed else None,
        "delay_s": _delays(found),
        "false_alarms_per_hour": _plain(rate(len(false), hours(judged))),
        "false_alarms_per_normal_hour": _plain(rate(on_normal, normal_hours(judged))),
        "boxes": _boxes(found),
    }


def _delays(found: Sequence[Verdict]) -> dict[str, Any] | None:
    delays_s = np.array([one.alert.time_s - one.annotation.due_s for one in found if one.annotation])
    if not len(delays_s):
        return None
    median_s, p90_s = np.quantile(delays_s, [0.5, 0.9]).tolist()
    mean = asdict(paired_bootstrap(delays_s)) if len(delays_s) > 1 else None
    return {"median": median_s, "p90": p90_s, "mean": mean}


def _boxes(found: Sequence[Verdict]) -> dict[str, Any] | None:
    """Compare the boxes of the alerts with those of their incidents, where there are any."""
    overlaps = [
        overlap(one.alert.box, one.annotation.box) if one.alert.box else 0.0
        for one in found
        if one.annotation and one.annotation.box
    ]
    if not overlaps:
        return None
    right = share(sum(value >= LEAST_OVERLAP for value in overlaps), len(overlaps))
    return {"median_overlap": float(np.median(overlaps)), "right": _plain(right)}


def _unmatched(alert: NewAlert, found: Sequence[Annotation]) -> Verdict:
    for one in reversed(found):
        if one.event == alert.event and one.is_repeated_at(alert.time_s):
            return Verdict(alert, "duplicate", one)
    return Verdict(alert, "false")


def _is_normal(recording: Recording, time_s: float) -> bool:
    return any(start_s <= time_s <= end_s for start_s, end_s in recording.normal_stretches())


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else asdict(interval)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a file of JSON lines, each with where it stands."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} cannot be read", got=error) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number},"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ArtifactError(f"{where} is not JSON", got=error) from error
        if not isinstance(row, dict):
            raise ArtifactError(f"{where} is no JSON object", got=line[:120])
        yield where, row


def _recording(row: dict[str, Any], where: str, folder: Path, dwell_s: float) -> Recording:
    try:
        annotations = tuple(_annotation(event, dwell_s) for event in row["events"])
        return Recording(str(row["id"]), folder / row["path"], float(row["duration_s"]), annotations)
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactError(
            f"{where} is no recording", got=error, expected="id, path, duration_s and events"
        ) from error


def _annotation(row: dict[str, Any], dwell_s: float) -> Annotation:
    event, start_s, end_s = row["event"], float(row["start_s"]), float(row["end_s"])
    if event not in EVENTS or not 0 <= start_s <= end_s:
        raise ValueError(f"{event} from {start_s} to {end_s} s")
    due_s = start_s + dwell_s if event == ABANDONED else start_s
    return Annotation(event, start_s, end_s, due_s, _box(row))


def _box(row: dict[str, Any]) -> Box | None:
    if row.get("box") is None:
        return None
    x0, y0, x1, y1 = map(float, row["box"])
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"box {row['box']}")
    return x0, y0, x1, y1
