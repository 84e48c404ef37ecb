"""What a line of a manifest says of a learner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.errors import ArtifactError
from trifuse.systems.learning.contract import BEHAVIOURS, LEVELS

if TYPE_CHECKING:
    from trifuse.catalog import Item

UNKNOWN = -1
# The list of the recordings of a lesson, in its folder.
LESSON_NAME = "lesson.jsonl"
# For research only: the served models never tell them (see docs/learning.md).
AFFECTS = ("boredom", "confusion", "frustration")
# The columns of labels; the ordinal ones have the levels 0 to 3.
BEHAVIOUR, ATTENTION = "behaviour", "attention"
LABELS = (BEHAVIOUR, ATTENTION, *AFFECTS)


def label_of(item: Item) -> list[int]:
    """List an item's labels in the order of LABELS, -1 where there is none. Raises ArtifactError."""
    behaviour = item.attributes.get(BEHAVIOUR)
    if behaviour is not None and behaviour not in BEHAVIOURS:
        raise ArtifactError(
            f"item {item.id} has an unknown behaviour", got=behaviour, expected=f"of {', '.join(BEHAVIOURS)}"
        )
    number = UNKNOWN if behaviour is None else BEHAVIOURS.index(behaviour)
    return [number, *(_level(item, name) for name in LABELS[1:])]


def learner_of(item: Item) -> str:
    """Name the learner of an item: splits share none."""
    return str(item.attributes.get("learner", item.id))


def _level(item: Item, name: str) -> int:
    level = item.attributes.get(name)
    if level is None:
        return UNKNOWN
    if level not in range(len(LEVELS)):
        raise ArtifactError(
            f"item {item.id} has an unknown level of {name}",
            got=level,
            expected=f"a number from 0 to {len(LEVELS) - 1}",
        )
    return int(level)
