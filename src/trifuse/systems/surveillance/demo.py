"""What `make demo SYSTEM=surveillance` shows of the system once it is served."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from trifuse.catalog import read_catalog
from trifuse.errors import TrifuseError
from trifuse.systems.surveillance.generator import write_recordings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EPOCHS = 16
_MINUTES, _INCIDENTS, _SEED = 4.0, 5, 11
# An alert belongs to an incident that began before it and ended at most so long before it.
_LATE_S = 10.0


def show(
    step: Callable[..., None],
    answer: Callable[..., Any],  # noqa: ARG001
    url: str,
    manifest: Path,
    repository: Path,  # noqa: ARG001
    folder: Path,
) -> list[str]:
    """Assess a clip, measure, and watch recordings with incidents; returns the findings.

    `step` runs a command for people to read. Raises TrifuseError when no incident was alerted.
    """
    clip = next(
        item.path
        for item in read_catalog(manifest, "validation")
        if item.values("events") and "end_s" not in item.attributes
    )
    step("clients/infer.py", "surveillance", "clip", "--clip", clip, "--url", url)
    step("benchmarks/quality.py", "surveillance", "--data", manifest, "--url", url)
    step("benchmarks/latency.py", "surveillance", "--clip", clip, "--url", url)
    recordings = write_recordings(folder / "recordings", minutes=_MINUTES, incidents=_INCIDENTS, seed=_SEED)
    alerts, seen = folder / "alerts.jsonl", folder / "watch"
    films = sorted(recordings.parent.rglob("*.mp4"))
    to_files = ("--output", alerts, "--folder", seen, "--stride-s", "0.5")
    step("clients/watch.py", *films, *to_files, "--url", url)
    found, incidents = _alerted(recordings, alerts)
    if not found:
        raise TrifuseError("no incident was alerted", got=f"0 of {incidents}", hint="The training went wrong")
    return [
        f"{found} of {incidents} incidents in {_MINUTES:g} minutes were alerted, told in {alerts}",
        f"timelines and pictures are in {seen}",
    ]


def _alerted(recordings: Path, alerts: Path) -> tuple[int, int]:
    """Count the incidents during which their event was alerted, and all: (alerted, incidents)."""
    records = [json.loads(line) for line in alerts.read_text(encoding="utf-8").splitlines()]
    new = [one for one in records if one["record"] == "alert" and one["state"] == "new"]
    found = incidents = 0
    for line in recordings.read_text(encoding="utf-8").splitlines():
        recording = json.loads(line)
        incidents += len(recording["events"])
        for event in recording["events"]:
            found += any(
                one["camera"] == recording["id"]
                and one["event"] == event["event"]
                and event["start_s"] <= one["time_s"] <= event["end_s"] + _LATE_S
                for one in new
            )
    return found, incidents
