"""Watch cameras and recordings, and tell of every incident once, while it happens."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table

from trifuse.client.command_line import Report, add_common_options, connect, run
from trifuse.systems.surveillance.client import SurveillanceClient
from trifuse.systems.surveillance.watch.options import (
    add_watch_options,
    outlet_settings,
    transcripts,
    watch_settings,
)
from trifuse.systems.surveillance.watch.outlets import Outlets
from trifuse.systems.surveillance.watch.sinks.json_lines import JsonLines
from trifuse.systems.surveillance.watch.sources import find_sources
from trifuse.systems.surveillance.watch.watcher import Watcher
from trifuse.systems.surveillance.watch.zones import read_zones

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COLUMNS = ("watched_s", "windows", "dropped", "failed", "corrupt_packets", "connections", "alerts")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_watch_options(parser)
    add_common_options(parser)
    # A process manager's SIGTERM ends the watch as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return run(parser, watch)


def watch(options: argparse.Namespace) -> Report:
    """Watch until the recordings have ended or Ctrl-C, and sum it up."""
    # Where standard output is made of JSON lines, the summary is one, too.
    options.json = options.json or options.output is None
    sources = find_sources(options.sources)
    names = [source.name for source in sources]
    zones = read_zones(options.zones, names) if options.zones else {}
    assigned = transcripts(options, names)
    with open_client(options) as client:
        settings = watch_settings(options, client.frame_shape)
    assessor, outlets = partial(open_client, options), Outlets(outlet_settings(options))
    summary = Watcher(sources, settings, assessor, outlets, zones=zones, transcripts=assigned).run()
    if options.output:
        JsonLines(options.output)(summary)
    return Report(summary, Group(_table(summary["cameras"]), f"timelines: {summary['timeline']}"))


@contextmanager
def open_client(options: argparse.Namespace) -> Iterator[SurveillanceClient]:
    """Connect to the server for a while."""
    with connect(options) as triton:
        yield SurveillanceClient(triton)


def _table(cameras: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table("camera", *(column.replace("_", " ") for column in COLUMNS))
    for name, counts in cameras.items():
        table.add_row(name, *(f"{counts[column]:g}" for column in COLUMNS))
    return table


if __name__ == "__main__":
    sys.exit(main())
