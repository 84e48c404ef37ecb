"""A garment's shape, and where a style may put its trim on it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from trifuse.systems.product.rendering.canvas import Points

Spot = tuple[float, float, float]
"""A place for a motif: x, y and size."""


@dataclass
class Garment:
    """A garment in its own coordinates (x right, y down, about -1 … 1).

    `parts` are drawn in order; `behind` shows through the neck; `panels` are areas of another tone (-1 dark …
    1 light). All else is where details go: lines for trim, spots for motifs.
    """

    parts: list[Points]
    behind: list[Points] = field(default_factory=list)
    panels: list[tuple[Points, float]] = field(default_factory=list)
    seams: list[Points] = field(default_factory=list)
    buttons: list[Points] = field(default_factory=list)
    hems: list[Points] = field(default_factory=list)
    edges: list[Points] = field(default_factory=list)
    sides: list[Points] = field(default_factory=list)
    fronts: list[Points] = field(default_factory=list)
    belts: list[Points] = field(default_factory=list)
    necklines: list[Points] = field(default_factory=list)
    prints: list[Spot] = field(default_factory=list)
    bows: list[Spot] = field(default_factory=list)
    hangers: list[Spot] = field(default_factory=list)

    def moved(self, scale: float, x: float, y: float) -> Garment:
        """Enlarge about the origin and then shift."""
        offset = np.array([x, y])

        def lines(old: list[Points]) -> list[Points]:
            return [line * scale + offset for line in old]

        def spots(old: list[Spot]) -> list[Spot]:
            return [(px * scale + x, py * scale + y, size * scale) for px, py, size in old]

        return Garment(
            parts=lines(self.parts),
            behind=lines(self.behind),
            panels=[(outline * scale + offset, tone) for outline, tone in self.panels],
            seams=lines(self.seams),
            buttons=lines(self.buttons),
            hems=lines(self.hems),
            edges=lines(self.edges),
            sides=lines(self.sides),
            fronts=lines(self.fronts),
            belts=lines(self.belts),
            necklines=lines(self.necklines),
            prints=spots(self.prints),
            bows=spots(self.bows),
            hangers=spots(self.hangers),
        )

    def joined(self, other: Garment) -> Garment:
        """Put another piece over this one, as with the second shoe of a pair."""
        return Garment(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))


def loop(outline: Points) -> Points:
    """Close an outline so that it can be drawn as a line."""
    return np.concatenate([outline, outline[:1]])
