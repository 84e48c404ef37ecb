"""Does a watch tell of every incident, once, in time? `benchmarks/surveillance_events.py --recordings FILE`.

Annotated recordings are watched as `clients/watch.py` does, as fast as the server answers, and the alerts are
compared with the annotations by the rule of `trifuse/systems/surveillance/events/matching.py`. All times are
media times: an alert's is the end of its window. Without `--url` a server of its own serves the repository.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from rich.console import Console
from rich.table import Column, Table

from trifuse.artifacts import digest, stage_folder, write_file
from trifuse.client.command_line import positive
from trifuse.client.triton import TritonClient
from trifuse.command_line import run
from trifuse.errors import InputError
from trifuse.reporting import machine
from trifuse.serving.probe import own_server
from trifuse.serving.server_environment import default_location
from trifuse.serving.versions import published_contract
from trifuse.systems import PROFILES, contract
from trifuse.systems.surveillance.calls import MODEL
from trifuse.systems.surveillance.client import SurveillanceClient
from trifuse.systems.surveillance.contract import EVENTS
from trifuse.systems.surveillance.events.figures import LEAST_OVERLAP, figures, hours, normal_hours
from trifuse.systems.surveillance.events.files import read_alerts, read_recordings
from trifuse.systems.surveillance.events.matching import (
    EARLY_S,
    LATE_S,
    LEFT_LATE_S,
    NORMAL_MARGIN_S,
    Judged,
    match,
)
from trifuse.systems.surveillance.watch.alert_settings import AlertSettings
from trifuse.systems.surveillance.watch.options import min_scores
from trifuse.systems.surveillance.watch.outlets import Outlets, OutletSettings
from trifuse.systems.surveillance.watch.smoothing import Smoothing
from trifuse.systems.surveillance.watch.sources import find_sources
from trifuse.systems.surveillance.watch.timeline_plot import clock
from trifuse.systems.surveillance.watch.watcher import Watcher, WatchSettings
from trifuse.systems.surveillance.watch.windows import WindowSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes

    from trifuse.systems.surveillance.events.matching import Recording

REPORT = stage_folder(Path("artifacts"), "surveillance", "events") / "events.json"
RULE = {
    "early_s": EARLY_S,
    "late_s": LATE_S,
    "left_late_s": LEFT_LATE_S,
    "normal_margin_s": NORMAL_MARGIN_S,
    "least_overlap": LEAST_OVERLAP,
}
# The sound may end a little earlier than the picture, or the other way round.
_END_TOLERANCE_S = 1.0
# Okabe and Ito's colours, which most people can tell apart.
_COLOURS = dict(zip(EVENTS, ("#d55e00", "#e69f00", "#0072b2", "#cc79a7", "#009e73", "#56b4e9"), strict=True))
_MARKERS = {"found": "^", "duplicate": "d", "false": "x"}
_ROW_INCHES, _HEAD_INCHES, _WIDTH_INCHES, _DPI = 0.75, 1.0, 13.0, 110

console = Console()


def main() -> None:
    """Watch, compare, print the tables and write the report with its picture."""
    options = parse()
    recordings = read_recordings(options.recordings, options.dwell_s)
    with serving(options) as url, tempfile.TemporaryDirectory() as folder:
        origin, judged = watch(recordings, url, options, Path(folder))
    report = {
        "machine": machine(),
        "data": digest(options.recordings),
        "recordings": len(judged),
        "hours": hours(judged),
        "normal_hours": normal_hours(judged),
        "rule": RULE,
        **origin,
        "events": figures(judged),
        "timeline": [listed(one) for one in judged],
    }
    write_file(options.output, json.dumps(report, indent=1) + "\n")
    picture = options.output.with_suffix(".png")
    write_file(picture, draw(judged))
    for table in tables(report):
        console.print(table)
    console.print(f"{options.output}, {picture}", highlight=False)


@contextmanager
def serving(options: argparse.Namespace) -> Iterator[str]:
    """Yield the address of the server that was named, else of one of its own."""
    if options.url:
        yield options.url
        return
    published = published_contract(options.repository, "surveillance")
    with own_server(options.repository, published, default_location()) as server:
        yield server.grpc_url


def watch(
    recordings: Sequence[Recording], url: str, options: argparse.Namespace, folder: Path
) -> tuple[dict[str, Any], list[Judged]]:
    """Watch all recordings to their ends: (what was served and how it was watched, the verdicts)."""
    records = folder / "records.jsonl"
    sources = find_sources([str(one.path) for one in recordings])
    with TritonClient(url) as triton:
        version = triton.metadata(MODEL).version
        settings = watch_settings(options, SurveillanceClient(triton).frame_shape, folder)
    watcher = Watcher(sources, settings, partial(client, url), Outlets(OutletSettings(records)))
    with console.status(f"watching {len(recordings)} recordings"):
        summary = watcher.run()
    cameras = dict(zip((source.name for source in sources), recordings, strict=True))
    refuse_unwatched(cameras, summary)
    alerts = read_alerts(records)
    origin = {
        "versions": {MODEL: version},
        "windows": sum(counts["windows"] for counts in summary["cameras"].values()),
        "settings": described(settings),
        "thresholds": dict(watcher.cameras[sources[0].name].history.thresholds),
    }
    return origin, [match(recording, alerts.get(name, [])) for name, recording in cameras.items()]


@contextmanager
def client(url: str) -> Iterator[SurveillanceClient]:
    """Connect to a server for a while."""
    with TritonClient(url) as triton:
        yield SurveillanceClient(triton)


def watch_settings(options: argparse.Namespace, frame_shape: tuple[int, int], folder: Path) -> WatchSettings:
    """Take what the command line chooses, and the defaults of a watch for all else."""
    served = contract("surveillance", PROFILES[0]).settings
    return WatchSettings(
        WindowSettings.of(served, frame_shape, options.stride_s),
        folder,
        scene_history_s=float(str(served["scene_history_s"])),
        dwell_s=options.dwell_s,
        alerts=AlertSettings(
            min_scores=min_scores(options.min_score),
            smoothing=Smoothing.parse(options.smoothing),
            stride_s=options.stride_s,
        ),
    )


def described(settings: WatchSettings) -> dict[str, Any]:
    """List what decides when there is an alert."""
    alerts = settings.alerts
    return {
        "window_s": settings.windows.window_s,
        "stride_s": settings.windows.stride_s,
        "min_scores": dict(alerts.min_scores),
        "smoothing": f"{alerts.smoothing.k}/{alerts.smoothing.n}",
        "end_share": alerts.end_share,
        "quiet_s": alerts.quiet_s,
        "cooldown_s": alerts.cooldown_s,
        "dwell_s": settings.dwell_s,
    }


def refuse_unwatched(cameras: Mapping[str, Recording], summary: Mapping[str, Any]) -> None:
    """Raise InputError if a part of a recording was not assessed, or an alert was lost: figures would lie."""
    for name, recording in cameras.items():
        counts = summary["cameras"][name]
        watched_s, assessed = counts["watched_s"], counts["assessed"]
        if watched_s < recording.duration_s - _END_TOLERANCE_S or assessed < counts["windows"]:
            raise InputError(
                f"{recording.path} was not watched to its end",
                got=f"{watched_s:.1f} s, {assessed} of {counts['windows']} windows",
                expected=f"{recording.duration_s:.1f} s, every window",
            )
    lines = summary["outlets"]["lines"]
    if lines["dropped"] or lines["given_up"]:
        raise InputError("alerts were lost", got=lines, hint="Is the temporary folder full?")


def listed(judged: Judged) -> dict[str, Any]:
    """List what happened in a recording, what was told and what was missed."""
    recording = judged.recording
    alerts = [verdict.alert._asdict() | {"verdict": verdict.kind} for verdict in judged.verdicts]
    return {
        "id": recording.id,
        "duration_s": recording.duration_s,
        "incidents": [asdict(one) | {"missed": one in judged.missed} for one in recording.annotations],
        "alerts": alerts,
    }


def tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """Show what was found, then how soon, and what was told without a reason."""
    told = _table("incidents and alerts", "incidents", "recall", "precision", "F1", "told once", "told again")
    rates = ("false alarms", "an hour", "a normal hour")
    timely = _table("delays, boxes and false alarms", "median s", "p90 s", "right box", *rates)
    timely.caption = _origin(report)
    for event, row in report["events"].items():
        boxes, delay_s, name = row["boxes"] or {}, row["delay_s"] or {}, event.replace("_", " ")
        told.add_row(
            name,
            str(row["incidents"]),
            _interval(row["recall"]),
            _interval(row["precision"]),
            _number(row["f1"]),
            str(row["told_once"]),
            str(row["duplicates"]),
        )
        timely.add_row(
            name,
            _number(delay_s.get("median")),
            _number(delay_s.get("p90")),
            _interval(boxes.get("right")),
            str(row["false_alarms"]),
            _interval(row["false_alarms_per_hour"], digits=1),
            _interval(row["false_alarms_per_normal_hour"], digits=1),
        )
    yield from (told, timely)


def _origin(report: Mapping[str, Any]) -> str:
    settings = report["settings"]
    return (
        f"{report['recordings']} recordings, {report['hours']:.2f} h, {report['normal_hours']:.2f} normal; "
        f"version {report['versions'][MODEL]}, windows of {settings['window_s']:g} s every "
        f"{settings['stride_s']:g} s, smoothing {settings['smoothing']}; 95 % intervals; {report['machine']}"
    )


def _table(title: str, *headings: str) -> Table:
    """Begin a table whose cells lose nothing in a narrow terminal."""
    return Table(*(Column(heading, overflow="fold") for heading in ("event", *headings)), title=title)


def _interval(found: Mapping[str, float] | None, digits: int = 2) -> str:
    if not found:
        return ""
    mean, low, high = (f"{found[name]:.{digits}f}" for name in ("mean", "low", "high"))
    return f"{mean}\n{low}–{high}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def draw(judged: Sequence[Judged]) -> bytes:
    """Draw a PNG with a row a recording: above what happens, below what was told."""
    figure = Figure((_WIDTH_INCHES, _HEAD_INCHES + _ROW_INCHES * len(judged)), _DPI, layout="constrained")
    rows = figure.subplots(len(judged), sharex=True, squeeze=False)[:, 0]
    for axes, one in zip(rows, judged, strict=True):
        _draw_row(axes, one)
    rows[-1].set_xlim(0, max(one.recording.duration_s for one in judged))
    rows[-1].xaxis.set_major_formatter(lambda value, _: clock(value))
    events = [Patch(color=colour, label=event.replace("_", " ")) for event, colour in _COLOURS.items()]
    kinds = [
        Line2D([], [], color="black", linestyle="", marker=marker, label=f"alert: {kind}")
        for kind, marker in _MARKERS.items()
    ]
    figure.legend(handles=[*events, *kinds], loc="outside upper center", ncols=9, frameon=False, fontsize=9)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _draw_row(axes: Axes, judged: Judged) -> None:
    recording = judged.recording
    for one in recording.annotations:
        colour, length_s = _COLOURS[one.event], one.end_s - one.start_s
        axes.broken_barh([(one.start_s, length_s)], (0.55, 0.4), color=colour)
        if one.is_due and one.due_s > one.start_s:
            axes.plot([one.due_s, one.due_s], [0.55, 0.95], color="black", linewidth=1)
        if one in judged.missed:
            axes.text(one.start_s + length_s / 2, 0.75, "missed", fontsize=7, ha="center", va="center")
    for verdict in judged.verdicts:
        alert = verdict.alert
        axes.plot(alert.time_s, 0.25, _MARKERS[verdict.kind], color=_COLOURS[alert.event], markersize=7)
    axes.axvline(recording.duration_s, color="black", linewidth=0.8)
    axes.set_ylim(0, 1)
    axes.set_yticks([0.25, 0.75], ["told", "truth"], fontsize=7)
    axes.set_ylabel(recording.id, rotation=0, ha="right", va="center", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=Path, required=True, help="the recordings.jsonl to watch")
    parser.add_argument("--url", metavar="HOST:PORT", help="the gRPC address of a running server")
    parser.add_argument(
        "--repository",
        type=Path,
        default=Path("artifacts/model_repository"),
        help="what is served if there is no --url (default: %(default)s)",
    )
    parser.add_argument("--stride-s", type=positive(float), default=0.5, help="default: %(default)s")
    parser.add_argument(
        "--min-score",
        action="append",
        default=[],
        metavar="EVENT=SCORE",
        help="take the place of a served threshold, as in clients/watch.py",
    )
    parser.add_argument("--smoothing", default="2/3", help="K/N windows, or median/N (default: %(default)s)")
    parser.add_argument(
        "--dwell-s", type=positive(float), default=30.0, help="how long an object may be alone (%(default)s)"
    )
    parser.add_argument(
        "--output", type=Path, default=REPORT, help="the JSON; a PNG goes beside it (default: %(default)s)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
