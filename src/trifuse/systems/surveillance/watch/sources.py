"""What is watched: files, folders of files and streams, each with a name and without its secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from trifuse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_VIDEO = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".mpg", ".mpeg", ".flv", ".3gp")
_SOUND = (".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".opus")
MEDIA_SUFFIXES = frozenset(_VIDEO + _SOUND)
_NAMED = re.compile(r"(?P<name>\w[\w.-]*)=(?P<address>.+)", re.DOTALL)
_USER = re.compile(r"://\S*@")
_SECRET = re.compile(r"(?i)\b(pass(?:word|wd)?|pwd|token|key|secret|auth)=[^&\s]*")
_UNFIT = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Source:
    """A camera or a recording. `name` is unique and fit for file names; a `live` one may come back."""

    name: str
    address: str
    live: bool

    @property
    def shown(self) -> str:
        """The address without user, password and tokens."""
        return without_secrets(self.address)


def without_secrets(text: str) -> str:
    """Mask users, passwords and tokens of the URLs in a text."""
    return _SECRET.sub(r"\1=***", _USER.sub("://***@", text))


def find_sources(arguments: Iterable[str]) -> list[Source]:
    """List the sources of a command line: files, folders (all media files in them), URLs; NAME=… names one.

    Raises InputError for what is not there.
    """
    found: dict[str, Source] = {}
    for argument in arguments:
        name, address = _split(argument)
        for default, one in _expand(address):
            unique = _unique(_UNFIT.sub("-", name or default).strip("-.") or "camera", found)
            found[unique] = Source(unique, one, live="://" in one)
    return list(found.values())


def _split(argument: str) -> tuple[str | None, str]:
    named = _NAMED.fullmatch(argument)
    if named and not Path(argument).exists():
        return named["name"], named["address"]
    return None, argument


def _expand(address: str) -> Iterator[tuple[str, str]]:
    """Yield the names and addresses that an argument stands for."""
    if "://" in address:
        parts = urlsplit(without_secrets(address))
        yield f"{parts.netloc.rpartition('@')[2]}{parts.path}", address
        return
    path = Path(address)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in MEDIA_SUFFIXES)
        if not files:
            raise InputError(
                f"the folder {path} has no media files", expected=", ".join(sorted(MEDIA_SUFFIXES))
            )
        yield from ((file.stem, str(file)) for file in files)
    elif path.exists():
        yield path.stem, str(path)
    else:
        raise InputError(
            "there is nothing to watch", got=without_secrets(address), expected="a file, a folder or a URL"
        )


def _unique(name: str, taken: Iterable[str]) -> str:
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name}-{number}", number + 1
    return unique
