"""How often incidents were told of, how soon, and how often without a reason."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.systems.surveillance.contract import EVENTS
from trifuse.training.bootstrap import paired_bootstrap
from trifuse.training.intervals import rate, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trifuse.systems.surveillance.events.matching import Box, Judged, Recording, Verdict
    from trifuse.training.bootstrap import Interval

ALL = "all"
LEAST_OVERLAP = 0.5


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


def _is_normal(recording: Recording, time_s: float) -> bool:
    return any(start_s <= time_s <= end_s for start_s, end_s in recording.normal_stretches())


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else asdict(interval)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
