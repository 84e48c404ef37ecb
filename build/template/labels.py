"""What a line of a manifest says: `label`, one of CLASSES, and `group`, which splits must not share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.errors import ArtifactError
from trifuse.systems.template.contract import CLASSES

if TYPE_CHECKING:
    from trifuse.catalog import Item


def label_of(item: Item) -> int:
    """Tell the number of an item's class. Raises ArtifactError."""
    label = item.attributes.get("label")
    if label not in CLASSES:
        raise ArtifactError(f"item {item.id} has no label", got=label, expected=f"of {', '.join(CLASSES)}")
    return CLASSES.index(label)


def group_of(item: Item) -> str:
    """Name what an item belongs to, such as its source video."""
    return str(item.attributes.get("group", item.id))
