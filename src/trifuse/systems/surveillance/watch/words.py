"""What is said at a camera: subtitles beside a file or in the stream, and transcripts that grow."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from trifuse.preprocessing.subtitles import Cue, read_subtitles, text_between

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trifuse.systems.surveillance.watch.sources import Source

_SUFFIXES = (".srt", ".vtt")
# How long a line of a transcript, which tells when it was said only, takes to say.
_LINE_S = 2.0
# Nobody writes longer lines; what has no line end would be read again and again.
_MAX_READ_BYTES = 2**20


class Transcript:
    """A file of JSON lines {"time": s, "text": …} that may grow, be cut off, or not be there yet.

    `time` counts from the camera's start. `unreadable` is the number of lines that were none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self.unreadable = 0

    def read(self) -> Iterator[tuple[float, str]]:
        """Yield the time and text of the lines that were completed since the last call."""
        try:
            with self._path.open("rb") as file:
                yield from self._new_lines(file)
        except OSError:
            return

    def _new_lines(self, file: BinaryIO) -> Iterator[tuple[float, str]]:
        if file.seek(0, 2) < self._position:
            self._position = 0
        file.seek(self._position)
        content = file.read(_MAX_READ_BYTES)
        complete = content.rfind(b"\n") + 1
        self._position += complete or (len(content) if len(content) == _MAX_READ_BYTES else 0)
        for line in content[:complete].splitlines():
            if line.strip():
                yield from self._parse(line)

    def _parse(self, line: bytes) -> Iterator[tuple[float, str]]:
        try:
            row = json.loads(line)
            time_s, text = float(row["time"]), str(row["text"])
        except (ValueError, TypeError, KeyError):
            self.unreadable += 1
            return
        if math.isfinite(time_s):
            yield time_s, text
        else:
            self.unreadable += 1


class Words:
    """Gives each window of a camera its text."""

    def __init__(self, beside: list[Cue] | None = None, transcript: Transcript | None = None) -> None:
        self._beside, self._transcript = beside, transcript
        self._heard: list[Cue] = []
        self._has_track = False

    @classmethod
    def of(cls, source: Source, transcript: Path | None = None) -> Words:
        """Look for subtitles beside a file. Raises ArtifactError for ones that cannot be read."""
        beside = None
        if not source.live:
            paths = (Path(source.address).with_suffix(suffix) for suffix in _SUFFIXES)
            found = next((path for path in paths if path.is_file()), None)
            beside = read_subtitles(found) if found else None
        return cls(beside, Transcript(transcript) if transcript else None)

    @property
    def wants_track(self) -> bool:
        """Whether the stream's own subtitles are of use: a file beside it has its say over them."""
        return self._beside is None

    @property
    def unreadable_lines(self) -> int:
        """How many lines of the transcript were none."""
        return self._transcript.unreadable if self._transcript else 0

    def connect(self, *, has_track: bool) -> None:
        """Say whether the stream has subtitles from now on."""
        self._has_track = has_track

    def add(self, cue: Cue) -> None:
        """Take a subtitle of the stream's own."""
        self._heard.append(cue)

    def between(self, start_s: float, end_s: float) -> str | None:
        """Join what was said in a window; None if there are no subtitles at all. Windows come in order.

        A transcript's line that comes too late for its own window counts as said in this one.
        """
        for time_s, text in self._transcript.read() if self._transcript else ():
            said_s = max(time_s, start_s)
            self._heard.append(Cue(said_s, said_s + _LINE_S, text))
        self._heard = [cue for cue in self._heard if cue.end_s > start_s]
        if self._beside is None and self._transcript is None and not self._has_track:
            return None
        return text_between([*(self._beside or ()), *self._heard], start_s, end_s)
