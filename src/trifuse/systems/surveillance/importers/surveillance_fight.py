"""Surveillance Camera Fight: clips of about two seconds, half of them fights.

Layout: https://github.com/seymanurakti/fight-detection-surv-dataset. `fight/fi001.mp4`,
`noFight/nofi001.mp4`, and `videos.txt`, which names the video that a range of clips was cut from. There is no
published split, and clips of one video look alike, so the source decides the split.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trifuse.importing.rows import clean, split_of
from trifuse.importing.tables import lines
from trifuse.systems.surveillance.importers.shared.videos import THROUGHOUT, Video, with_windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trifuse.importing.job import Job
    from trifuse.importing.rows import Row

LAYOUT = ("fight", "noFight", "videos.txt")

_VALIDATION_OF_20 = 4
_URL = re.compile(r"https?://\S+")
_YOUTUBE_ID = re.compile(r"(?:v=|youtu\.be/|embed/|shorts/)([\w-]{11})")
# `fi001-fi005`, `fi001-005`, `nofi007.mp4`, or numbers alone below a heading that says of which folder.
_CLIPS = re.compile(
    r"(?<![\w-])(?P<kind>nofi|fi)?(?P<first>\d{1,3})(?:\.mp4)?"
    r"(?:\s*-\s*(?:nofi|fi)?(?P<last>\d{1,3})(?:\.mp4)?)?(?![\w-])",
    re.IGNORECASE,
)
_HEADING = re.compile(r"(?P<no>non?)?[\s_-]*fight", re.IGNORECASE)


def rows(job: Job) -> Iterator[Row]:
    """Yield the window of every clip, or the windows of those that are longer."""
    yield from with_windows(job, list(_clips(job)))


def _clips(job: Job) -> Iterator[Video]:
    sources = _sources(job)
    for folder, event, abnormal in (("fight", "fight", THROUGHOUT), ("noFight", None, ())):
        for path in sorted((job.folder / folder).glob("*.mp4")):
            if source := sources.get(path.stem.lower()):
                split = split_of(source, _VALIDATION_OF_20)
                yield Video(path.stem, path, split, source, folder, event, abnormal)
            else:
                job.leave_out("a clip whose source videos.txt does not name", path.name)


def _sources(job: Job) -> dict[str, str]:
    """Read which video each clip was cut from: a line has a video and its clips, or is a heading."""
    sources: dict[str, str] = {}
    kind = ""
    for line in lines(job, job.folder / "videos.txt"):
        text = _URL.sub(" ", line)
        names = [name for found in _CLIPS.finditer(text) for name in _names(found, kind)]
        source = _source(line, _CLIPS.sub(" ", text))
        if names and source:
            sources |= dict.fromkeys(names, source)
        elif not _URL.search(line) and (heading := _HEADING.search(text)):
            kind = "nofi" if heading["no"] else "fi"
        elif line.strip():
            job.leave_out("a line of videos.txt without a video and its clips", line.strip())
    return sources


def _names(clips: re.Match[str], kind: str) -> list[str]:
    kind = (clips["kind"] or kind).lower()
    first = int(clips["first"])
    numbers = range(first, int(clips["last"] or first) + 1)
    return [f"{kind}{number:03}" for number in numbers] if kind else []


def _source(line: str, other_text: str) -> str:
    """Name the video: by its id on YouTube, whatever else the address says, or as the line does."""
    if url := _URL.search(line):
        youtube = _YOUTUBE_ID.search(url[0])
        return youtube[1] if youtube else url[0]
    return clean(other_text.strip(" \t\r\n:,;-"))
