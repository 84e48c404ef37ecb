"""The recordings of a lesson: who is in them, and who agreed to be reported on."""

from __future__ import annotations

import hmac
import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trifuse.errors import ArtifactError, ConfigurationError, InputError
from trifuse.preprocessing.recording import probe
from trifuse.systems.learning.labels import LESSON_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_LEAST_KEY_BYTES, _NAME_DIGITS = 16, 10


@dataclass(frozen=True)
class Recording:
    """A file of one learner in one lesson; `learner` may be a pseudonym."""

    path: Path
    lesson: str
    learner: str
    consent: bool
    duration_s: float

    @property
    def name(self) -> tuple[str, str]:
        """Tell whose recording it is: (lesson, learner)."""
        return self.lesson, self.learner


def find_recordings(sources: Sequence[Path], key: bytes | None = None) -> list[Recording]:
    """List the recordings of lesson manifests, of folders that hold one, and of media files.

    Of a media file by itself no consent is known, and its name is the learner. With a `key`, learners are
    named by pseudonyms. Raises ArtifactError or InputError.
    """
    found = [recording for source in sources for recording in _recordings(source)]
    if key is not None:
        found = [replace(one, learner=pseudonym(one.learner, key)) for one in found]
    counts = Counter(one.name for one in found)
    if doubled := [name for name, count in counts.items() if count > 1]:
        lesson, learner = doubled[0]
        raise InputError(
            "a learner has several recordings of a lesson",
            got=f"{counts[doubled[0]]} of {learner} in {lesson}",
            expected="one each",
            hint="Put them into one file, or into lessons of their own",
        )
    return found


def read_key(path: Path) -> bytes:
    """Read the key that pseudonyms are made with. Raises ConfigurationError."""
    try:
        key = path.read_bytes()
    except OSError as error:
        raise ConfigurationError("the key cannot be read", got=error) from error
    if len(key) < _LEAST_KEY_BYTES:
        raise ConfigurationError(
            "the key is too short",
            got=f"{len(key)} bytes in {path}",
            expected=f"at least {_LEAST_KEY_BYTES}",
            hint="openssl rand -out FILE 32 makes one",
        )
    return key


def pseudonym(learner: str, key: bytes) -> str:
    """Name a learner so that who has the key finds the same name again, and nobody else the learner.

    That is HMAC-SHA256, cut to 40 bits (https://www.rfc-editor.org/rfc/rfc2104).
    """
    return hmac.new(key, learner.encode(), "sha256").hexdigest()[:_NAME_DIGITS]


def _recordings(source: Path) -> Iterator[Recording]:
    listing = source / LESSON_NAME if source.is_dir() else source
    if listing.suffix != ".jsonl":
        yield Recording(listing, listing.parent.name, listing.stem, consent=False, duration_s=probe(listing))
        return
    try:
        lines = listing.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"the lesson {listing} cannot be read", got=error) from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _recording(line, listing.parent, f"{listing}, line {number},")


def _recording(line: str, folder: Path, where: str) -> Recording:
    try:
        row: dict[str, Any] = json.loads(line)
        path = folder / row["path"]
        # Only a plain `true` is a consent.
        consent = row.get("consent") is True
        lesson, learner = str(row["lesson"]), str(row["learner"])
        # A file that is not there would be told of as one in which nobody was seen.
        probed_s = probe(path)
        duration_s = float(row.get("duration_s", probed_s))
        return Recording(path, lesson, learner, consent, duration_s)
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactError(
            f"{where} is no recording of a lesson", got=error, expected="path, lesson, learner and consent"
        ) from error
