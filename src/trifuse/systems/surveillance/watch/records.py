"""What is told to the world: JSON objects, each with its kind, its camera and the time of day."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trifuse.systems.surveillance.watch.incidents import Alert

Record = dict[str, Any]
ALERT, EVIDENCE, PROBLEM, SUMMARY = "alert", "evidence", "problem", "summary"
CAMERA_SILENT, CAMERA_BACK = "camera_silent", "camera_back"
SERVER_SILENT, SERVER_BACK = "server_silent", "server_back"
# What people and machines act on, as against what whoever runs the system looks up.
URGENT = (ALERT, EVIDENCE, CAMERA_SILENT, CAMERA_BACK, SERVER_SILENT, SERVER_BACK)
_DIGITS = 4


def record(kind: str, camera: str | None = None, **details: Any) -> Record:
    """Make a record of now; details that are None are left out."""
    given = {name: _rounded(value) for name, value in details.items() if value is not None}
    named = {} if camera is None else {"camera": camera}
    return {
        "record": kind,
        **named,
        **given,
        "wall_time": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def alert_record(alert: Alert, *, latency_s: float | None, zone: str | None) -> Record:
    """Tell an alert: `latency_s` is the time since its window was complete, `zone` where its box stands."""
    details = {one.name: getattr(alert, one.name) for one in fields(alert) if one.name != "camera"}
    return record(ALERT, alert.camera, **details, latency_s=latency_s, zone=zone)


def topic(record: Record) -> str:
    """Name what a record is about: its event, else its kind."""
    return str(record.get("event", record["record"]))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(one) for one in value]
    return value
