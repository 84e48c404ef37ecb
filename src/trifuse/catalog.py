"""Catalogues of items: JSON Lines manifests with paths relative to the manifest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trifuse.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MANIFEST_NAME = "manifest.jsonl"
_REQUIRED = ("id", "path", "split")


@dataclass(frozen=True)
class Item:
    """One line of a catalogue; `attributes` holds every further column (scalars or lists)."""

    id: str
    path: Path
    split: str
    title_zh: str = ""
    title_en: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)

    def values(self, attribute: str) -> tuple[str, ...]:
        """List an attribute's values as text: none, one, or several where the column holds a list."""
        value = self.attributes.get(attribute)
        if value is None:
            return ()
        return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def find_manifest(catalog: Path) -> Path:
    """Name a catalogue's manifest, of which the file or its folder was given."""
    return catalog / MANIFEST_NAME if catalog.is_dir() else catalog


def read_catalog(manifest: Path, split: str | None = None) -> list[Item]:
    """Read a catalogue, all of it or one split. Raises ArtifactError with the line that is wrong."""
    try:
        lines = manifest.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"the catalogue {manifest} cannot be read", got=error) from error
    items = [_parse(line, manifest, number) for number, line in enumerate(lines, 1) if line.strip()]
    _refuse_duplicates(items, manifest)
    selected = [item for item in items if split is None or item.split == split]
    if not selected:
        splits = ", ".join(sorted({item.split for item in items})) or "no items at all"
        raise ArtifactError(f"{manifest} has no items of the split {split!r}", got=splits)
    return selected


def split_off(
    items: Iterable[Item], share: float, group: Callable[[Item], str]
) -> tuple[list[Item], list[Item]]:
    """Split about a share off, by a hash of each item's group, so that no group is in both: (rest, share)."""
    rest: list[Item] = []
    chosen: list[Item] = []
    for item in items:
        drawn = int(hashlib.sha256(group(item).encode()).hexdigest()[:8], 16) / 2**32
        (chosen if drawn < share else rest).append(item)
    return rest, chosen


def _parse(line: str, manifest: Path, number: int) -> Item:
    where = f"{manifest}, line {number}"
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ArtifactError(f"{where} is not JSON", got=error) from error
    if not isinstance(row, dict) or any(not isinstance(row.get(name), str) for name in _REQUIRED):
        raise ArtifactError(
            f"{where} is not a catalogue item", got=line[:120], expected=f"text in {', '.join(_REQUIRED)}"
        )
    titles = {name: str(row.pop(name, "") or "") for name in ("title_zh", "title_en")}
    path = manifest.parent / row.pop("path")
    return Item(id=row.pop("id"), path=path, split=row.pop("split"), **titles, attributes=row)


def _refuse_duplicates(items: list[Item], manifest: Path) -> None:
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise ArtifactError(f"{manifest} names an item twice", got=repr(item.id), expected="unique ids")
        seen.add(item.id)
