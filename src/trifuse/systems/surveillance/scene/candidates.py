"""What may be an object that somebody put down, by its size and shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trifuse.systems.surveillance.scene.perspective import Perspective
    from trifuse.systems.surveillance.scene.regions import Box, Region
    from trifuse.systems.surveillance.scene.settings import SceneSettings

# Objects are lower than this share of the people around. Where none are known, upright things may be people.
_OF_A_PERSON, _UPRIGHT = 0.55, 1.5
# Light and noise leave crumbs, things fill at least this share of their box.
_FILLED = 0.4
# The larger of two pieces of a person is at least this share of him, and both are about as tall as he is.
_PIECE, _WHOLE = 0.35, (0.6, 1.2)


def may_be_object(
    region: Region, picture_height: int, perspective: Perspective, settings: SceneSettings
) -> bool:
    """Whether a region has the size and the shape of luggage; `picture_height` is in pixels."""
    box = region.box
    least, largest = (
        share * picture_height for share in (settings.least_object_share, settings.largest_object_share)
    )
    if min(box.width, box.height) < least or box.height > largest:
        return False
    if region.pixels < _FILLED * box.width * box.height:
        return False
    person = perspective.typical_height(box.y1)
    if person is not None:
        return box.height <= _OF_A_PERSON * person
    return box.height < settings.least_person_share * picture_height or box.height < _UPRIGHT * box.width


def may_be_part_of_person(box: Box, others: Iterable[Box], perspective: Perspective) -> bool:
    """Whether something and a piece above or below it are as tall as a person, and one is large for luggage.

    People whose clothes have the colour of what is behind them fall into such pieces.
    """
    height = perspective.typical_height(box.y1)
    if height is None:
        return False
    pieces = (other for other in others if not perspective.is_whole(other))
    return any(_make_person(box, piece, height) for piece in pieces)


def _make_person(one: Box, other: Box, height: float) -> bool:
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    down = max(one.y1, other.y1) - min(one.y0, other.y0)
    return (
        across > 0
        and max(one.height, other.height) >= _PIECE * height
        and _WHOLE[0] * height <= down <= _WHOLE[1] * height
    )
