"""The command line of a watch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trifuse.artifacts import stage_folder
from trifuse.client.command_line import positive
from trifuse.errors import ConfigurationError
from trifuse.systems import PROFILES, contract
from trifuse.systems.surveillance.contract import DECISIONS, EVENTS
from trifuse.systems.surveillance.watch.alert_settings import AlertSettings
from trifuse.systems.surveillance.watch.capture import CaptureSettings
from trifuse.systems.surveillance.watch.outlets import OutletSettings
from trifuse.systems.surveillance.watch.smoothing import Smoothing
from trifuse.systems.surveillance.watch.watcher import WatchSettings
from trifuse.systems.surveillance.watch.windows import WindowSettings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Sequence

FOLDER = stage_folder(Path("artifacts"), "surveillance", "watch")
_DEFAULT = " (default: %(default)s)"


def add_watch_options(parser: argparse.ArgumentParser) -> None:
    """Add what is watched, when there is an alert, and where it goes."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a file, a folder of files or a stream such as rtsp://…; NAME=SOURCE gives it a name",
    )
    _add_windows(parser)
    _add_alerts(parser)
    _add_outlets(parser)


def watch_settings(options: argparse.Namespace, frame_shape: tuple[int, int]) -> WatchSettings:
    """Read the settings of a watch with a served model of that number and size of frames.

    Raises ConfigurationError.
    """
    # A window has the same length in every profile.
    served = contract("surveillance", PROFILES[0]).settings
    windows = WindowSettings.of(served, frame_shape, options.stride_s)
    alerts = AlertSettings(
        min_scores=min_scores(options.min_score),
        smoothing=Smoothing.parse(options.smoothing),
        end_share=options.end_share,
        cooldown_s=options.cooldown_s,
        events=tuple(options.events.split(",")),
        stride_s=options.stride_s,
    )
    return WatchSettings(
        windows,
        options.folder,
        scene_history_s=float(str(served["scene_history_s"])),
        dwell_s=options.dwell_s,
        alerts=alerts,
        capture=CaptureSettings(real_time=options.real_time),
        silent_after_s=options.silent_after_s,
        duration_s=options.duration_s,
    )


def outlet_settings(options: argparse.Namespace) -> OutletSettings:
    """Read where records go. Raises ConfigurationError."""
    return OutletSettings(options.output, options.webhook, _read_text(options.webhook_body), options.mqtt)


def transcripts(options: argparse.Namespace, cameras: Sequence[str]) -> dict[str, Path]:
    """Assign the transcripts to the cameras. Raises ConfigurationError."""
    found: dict[str, Path] = {}
    for given in options.transcript:
        camera, separator, path = given.partition("=")
        if not separator:
            camera, path = cameras[0], given
        if camera not in cameras or (not separator and len(cameras) > 1):
            raise ConfigurationError(
                "it is not clear which camera a transcript belongs to",
                got=given,
                expected=" or ".join(f"{camera}=FILE" for camera in cameras),
            )
        found[camera] = Path(path)
    return found


def _add_windows(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is watched")
    group.add_argument(
        "--stride-s", type=positive(float), default=1.0, help="from window to window" + _DEFAULT
    )
    group.add_argument("--real-time", action="store_true", help="play files at their own speed")
    group.add_argument("--duration-s", type=positive(float), metavar="S", help="end after so long")
    group.add_argument(
        "--silent-after-s",
        type=positive(float),
        default=10.0,
        help="how long a live camera may show nothing" + _DEFAULT,
    )
    group.add_argument(
        "--transcript",
        action="append",
        default=[],
        metavar="[CAMERA=]FILE",
        help='what is said, as JSON lines {"time": seconds, "text": …}; the file may grow',
    )
    group.add_argument(
        "--dwell-s", type=positive(float), default=30.0, help="how long an object may be alone" + _DEFAULT
    )
    group.add_argument(
        "--zones",
        type=Path,
        metavar="FILE",
        help='where no object may be left: {"CAMERA or *": [{"name": …, "polygon": [[x, y], …]}]}, '
        "x and y as shares of the picture",
    )


def _add_alerts(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("when there is an alert")
    group.add_argument(
        "--events", default=",".join(EVENTS), help=f"of {','.join(DECISIONS)} (default: all but the first)"
    )
    group.add_argument(
        "--min-score",
        action="append",
        default=[],
        metavar="[EVENT=]SCORE",
        help="in place of the thresholds that were chosen with the model",
    )
    group.add_argument("--smoothing", default="2/3", help="K/N windows, or median/N with an odd N" + _DEFAULT)
    group.add_argument(
        "--end-share",
        type=positive(float),
        default=0.7,
        help="an incident goes on down to this share of its threshold" + _DEFAULT,
    )
    group.add_argument(
        "--cooldown-s", type=float, default=10.0, help="from an incident's end to the next" + _DEFAULT
    )


def _add_outlets(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where it is told")
    group.add_argument("--output", type=Path, metavar="FILE", help="JSON lines (default: standard output)")
    group.add_argument("--webhook", metavar="URL", help="POST what is urgent there")
    group.add_argument(
        "--webhook-body", type=Path, metavar="FILE", help="the body, with $camera, $event, $state, …"
    )
    group.add_argument("--mqtt", metavar="URL", help="mqtt[s]://[user:password@]host[:port]")
    group.add_argument(
        "--folder", type=Path, default=FOLDER, help="for snapshots, clips and timelines" + _DEFAULT
    )


def min_scores(given: Collection[str]) -> dict[str, float]:
    """Read `EVENT=SCORE`, or `SCORE` for all events. Raises ConfigurationError."""
    found: dict[str, float] = {}
    for text in given:
        event, separator, score = text.rpartition("=")
        try:
            value = float(score)
        except ValueError:
            raise ConfigurationError("no such score", got=text, expected="SCORE or EVENT=SCORE") from None
        found |= dict.fromkeys([event] if separator else DECISIONS, value)
    return found


def _read_text(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read", got=error) from error
