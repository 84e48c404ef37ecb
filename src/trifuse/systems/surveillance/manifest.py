"""Labels, sources and scenes of the windows that a manifest lists."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rich.progress import track

from trifuse.catalog_windows import end_of, start_of
from trifuse.errors import ArtifactError
from trifuse.systems.surveillance.contract import ABNORMAL, DECISIONS, EVENTS
from trifuse.systems.surveillance.scene.evidence import evidence_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from trifuse.catalog import Item


def label_of(item: Item) -> list[bool]:
    """List what an item shows in the order of DECISIONS. Raises ArtifactError for unknown events."""
    events = item.values("events")
    unknown = sorted(set(events) - set(EVENTS))
    if unknown:
        raise ArtifactError(
            f"item {item.id} has an unknown event", got=unknown[0], expected=f"of {', '.join(EVENTS)}"
        )
    abnormal = bool(events) or bool(item.attributes.get(ABNORMAL))
    return [abnormal, *(event in events for event in DECISIONS[1:])]


def source_of(item: Item) -> str:
    """Name the source video of an item: splits share none."""
    return str(item.attributes.get("source", item.id))


def watch_scenes(items: Sequence[Item], history_s: float, pool: Executor) -> list[NDArray[np.float32] | None]:
    """Tell every window's scene (8,): None where less than `history_s` of its file lies before it.

    Every file is watched once, up to its last window. Raises InputError for one that cannot be read.
    """
    late: dict[Path, list[tuple[int, float]]] = {}
    for index, item in enumerate(items):
        if start_of(item) >= history_s:
            late.setdefault(item.path, []).append((index, end_of(item)))
    found: list[NDArray[np.float32] | None] = [None] * len(items)
    watched = pool.map(partial(_watch, late), late)
    for pairs in track(watched, "watching scenes", total=len(late)):
        for index, evidence in pairs:
            found[index] = evidence
    return found


def _watch(late: dict[Path, list[tuple[int, float]]], path: Path) -> list[tuple[int, Any]]:
    indices, ends_s = zip(*late[path], strict=True)
    return list(zip(indices, evidence_at(path, ends_s), strict=True))
