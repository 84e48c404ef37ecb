"""Report on a lesson to its teacher: the class first, individuals only with their consent."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from trifuse.client.command_line import Report, add_common_options, connect, positive, run
from trifuse.preprocessing.audio import AudioSettings
from trifuse.preprocessing.video import VideoSettings
from trifuse.systems import PROFILES
from trifuse.systems.learning.client import LearningClient
from trifuse.systems.learning.contract import contract
from trifuse.systems.learning.report.findings import findings
from trifuse.systems.learning.report.page import write_report
from trifuse.systems.learning.report.recordings import find_recordings, read_key
from trifuse.systems.learning.report.scores import ScoreTable
from trifuse.systems.learning.report.scoring import complete, starts_of
from trifuse.systems.learning.report.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trifuse.systems.learning.report.recordings import Recording
    from trifuse.systems.learning.report.scores import WindowScore
    from trifuse.systems.learning.report.summary import Summary

SCORES = "scores.csv"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "recordings",
        nargs="+",
        type=Path,
        metavar="RECORDING",
        help="a lesson.jsonl, its folder, or media files",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("artifacts/learning/report"),
        help="a folder (default: %(default)s)",
    )
    parser.add_argument(
        "--pseudonym-key", type=Path, metavar="FILE", help="name learners by pseudonyms made with this key"
    )
    parser.add_argument("--bin-s", type=positive(float), default=60.0, help="default: %(default)s")
    add_common_options(parser)
    return run(parser, report)


def report(options: argparse.Namespace) -> Report:
    """Score what is not scored yet, then write the report."""
    key = read_key(options.pseudonym_key) if options.pseudonym_key else None
    recordings = find_recordings(options.recordings, key)
    scores = observe(recordings, options)
    summaries = [
        summarise(
            lesson,
            [one for one in scores if one.lesson == lesson],
            [one.learner for one in recordings if one.lesson == lesson and one.consent],
            options.bin_s,
        )
        for lesson in dict.fromkeys(one.lesson for one in recordings)
    ]
    page = write_report(options.output, summaries)
    data = {
        "report": str(page),
        "windows": len(scores),
        "lessons": {one.lesson: findings(one) for one in summaries},
    }
    return Report(data, _table(summaries, page))


def observe(recordings: Sequence[Recording], options: argparse.Namespace) -> list[WindowScore]:
    """Observe every window that the table of scores does not have, and keep the scores as they come."""
    settings = contract(PROFILES[0]).settings
    audio, table = AudioSettings.of(settings), ScoreTable(options.output / SCORES, recordings)
    found: list[WindowScore] = []
    with connect(options) as triton, Progress(console=Console(stderr=True)) as progress:
        client = LearningClient(triton)
        count, size = client.frame_shape
        video = replace(VideoSettings.of(settings), frame_count=count, frame_size=size)
        for recording in recordings:
            starts_s = starts_of(recording, video.window_s)
            task = progress.add_task(escape(recording.learner), total=len(starts_s))
            for known in complete(table, recording, video, audio, client):
                progress.update(task, completed=known)
            found += table.of(recording, starts_s)
    return found


def _table(summaries: Sequence[Summary], page: Path) -> Table:
    table = Table("lesson", "what stands out", caption=f"report: {page}")
    for one in summaries:
        table.add_row(one.lesson, "\n".join(findings(one)))
    return table


if __name__ == "__main__":
    sys.exit(main())
