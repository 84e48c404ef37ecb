"""Reads annotated recordings, and the alerts of a watch, from JSON lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from trifuse.errors import ArtifactError
from trifuse.systems.surveillance.contract import EVENTS
from trifuse.systems.surveillance.events.matching import Annotation, NewAlert, Recording
from trifuse.systems.surveillance.watch.left_objects import ABANDONED
from trifuse.systems.surveillance.watch.records import ALERT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trifuse.systems.surveillance.events.matching import Box


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
