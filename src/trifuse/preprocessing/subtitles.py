"""Subtitles and transcripts: SubRip and WebVTT files to cues, and cues to the text of a window."""

from __future__ import annotations

import codecs
import contextlib
import html
import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from trifuse.errors import ArtifactError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_TIME = r"(?:(\d+):)?([0-5]?\d):([0-5]?\d)(?:[.,](\d{1,3}))?"
# WebVTT's cue settings follow the times.
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_BLOCKS_WITHOUT_CUES = ("NOTE", "STYLE", "REGION")
# HTML-like tags and karaoke times of SubRip and WebVTT, and the override blocks of ASS.
_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")
_ASS_SPACES = re.compile(r"\\[Nnh]")


class Cue(NamedTuple):
    """What is said or shown from `start_s` to `end_s`, with its markup."""

    start_s: float
    end_s: float
    text: str


def parse_subtitles(content: str) -> list[Cue]:
    """Parse a SubRip or WebVTT file, whichever it is, in the order of the file.

    Cues with times that make no sense are left out. Raises InputError if there are cues and none makes sense.
    """
    content = content.removeprefix("\ufeff").strip()
    cues = [cue for block in _blocks(content) for cue in _cues(block)]
    empty = not content or (content.startswith("WEBVTT") and "-->" not in content)
    if not cues and not empty:
        raise InputError(
            "no subtitle could be read",
            got=f"a file that begins with {content.splitlines()[0][:80]!r}",
            expected="SubRip (SRT) or WebVTT",
        )
    return cues


def read_subtitles(path: Path) -> list[Cue]:
    """Read a SubRip or WebVTT file: UTF-8, UTF-16 with a byte order mark, else GB 18030, else Windows-1252.

    GB 18030 is what Chinese files were written in before UTF-8; few Western texts are valid in it.
    Raises ArtifactError.
    """
    try:
        return parse_subtitles(_decode(path.read_bytes()))
    except OSError as error:
        raise ArtifactError(f"the subtitles {path} cannot be read", got=error) from error
    except InputError as error:
        raise ArtifactError(f"{path}: {error.problem}", got=error.got, expected=error.expected) from error


def text_between(cues: Iterable[Cue], start_s: float, end_s: float) -> str:
    """Join the texts of the cues that overlap a window by spaces, in the order of time, without markup."""
    spoken = sorted(
        (cue for cue in cues if cue.start_s < end_s and cue.end_s > start_s), key=lambda cue: cue.start_s
    )
    return " ".join(word for cue in spoken for word in _plain(cue.text).split())


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    for encoding in ("utf-8-sig", "gb18030"):
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode(encoding)
    return data.decode("cp1252", "replace")


def _blocks(content: str) -> Iterator[list[str]]:
    """Split a file at its blank lines."""
    for blank, lines in itertools.groupby(content.splitlines(), lambda line: not line.strip()):
        if not blank:
            yield list(lines)


def _cues(block: list[str]) -> Iterator[Cue]:
    """Read a block: a number or a name, the times, and the lines of the text.

    Files that were edited by hand lack blank lines, so that a block may have several cues.
    """
    if block[0].split()[0] in _BLOCKS_WITHOUT_CUES:
        return
    found = [(index, times) for index, line in enumerate(block) if (times := _TIMES.match(line))]
    ends = [index for index, _ in found[1:]] + [len(block)]
    for (index, times), end in zip(found, ends, strict=False):
        start_s, end_s = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
        lines = block[index + 1 : end]
        if end < len(block) and lines and lines[-1].strip().isdigit():
            lines.pop()
        if end_s > start_s:
            yield Cue(start_s, end_s, "\n".join(lines))


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + float(f"{seconds}.{fraction}")


def _plain(text: str) -> str:
    return html.unescape(_MARKUP.sub("", _ASS_SPACES.sub(" ", text)))
