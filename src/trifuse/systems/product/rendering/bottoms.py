"""Garments of the lower body: skirt, pants and shorts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.product.rendering.canvas import mirrored, points, rectangle, rounded, symmetric
from trifuse.systems.product.rendering.garment import Garment

if TYPE_CHECKING:
    from trifuse.systems.product.rendering.canvas import Points


def skirt(rng: np.random.Generator) -> Garment:
    """Cut a pleated skirt below a waistband."""
    waist, flare = rng.uniform(0.32, 0.38), rng.uniform(0.55, 0.85)
    top, bottom = rng.uniform(-0.68, -0.58), rng.uniform(0.35, 0.7)
    skirt, hem, side = flared(waist, top, flare, bottom, rng.uniform(-0.02, 0.08))
    return Garment(
        [skirt],
        panels=[(rectangle(-waist - 0.1, top - 0.05, waist + 0.1, top + 0.1), -0.2)],
        seams=[
            points((-waist, top + 0.1), (waist, top + 0.1)),
            *pleats(rng, waist, top + 0.1, flare, bottom),
        ],
        hems=[hem],
        sides=[side, mirrored(side)],
        fronts=[points((0.0, top + 0.14), (0.0, bottom - 0.1))],
        belts=[points((-waist - 0.02, top + 0.06), (0.0, top + 0.07), (waist + 0.02, top + 0.06))],
        prints=[(0.0, (top + bottom) / 2 + 0.08, 0.32)],
        bows=[(0.0, top + 0.08, 0.28)],
    )


def flared(
    waist: float, top: float, flare: float, bottom: float, bow: float
) -> tuple[Points, Points, Points]:
    """Outline, hem and right side of a skirt that widens downwards."""
    middle = (waist + (flare - waist) * 0.42 + bow, (top + bottom) / 2)
    half = points(
        (0.0, top), (waist, top), (waist, top), middle, (flare, bottom), (flare, bottom), (0.0, bottom + 0.07)
    )
    hem = rounded(
        points(
            (-flare, bottom), (-flare * 0.5, bottom + 0.06), (flare * 0.5, bottom + 0.06), (flare, bottom)
        ),
        closed=False,
    )
    side = rounded(points((waist, top), middle, (flare, bottom)), closed=False)
    return rounded(symmetric(half)), hem, side


def pleats(rng: np.random.Generator, waist: float, top: float, flare: float, bottom: float) -> list[Points]:
    """Place a random number of pleats on a flared skirt."""
    places = np.linspace(-0.75, 0.75, int(rng.integers(3, 8)))
    return [
        points((p * waist, top + 0.02), (p * (waist + flare) / 2, (top + bottom) / 2), (p * flare, bottom))
        for p in places
    ]


def _trousers(rng: np.random.Generator, bottom: float, leg: float, gap: float) -> Garment:
    """Two legs below a waistband; `leg` is the width at the hem, `gap` half the distance between them."""
    top, waist = -0.86, rng.uniform(0.34, 0.4)
    hip, crotch = waist + rng.uniform(0.05, 0.1), rng.uniform(-0.3, -0.2)
    outer = gap + leg
    half = points(
        (0.0, top),
        (waist, top),
        (waist, top),
        (hip, top + 0.4),
        ((hip + outer) / 2 + 0.01, (crotch + bottom) / 2),
        (outer, bottom),
        (outer, bottom),
        (gap, bottom),
        (gap, bottom),
        (0.02, crotch + 0.05),
        (0.0, crotch),
    )
    hem = points((gap, bottom), (gap + leg / 2, bottom + 0.01), (outer, bottom))
    side = rounded(half[2:6], closed=False) - np.array([0.07, 0.0])
    pocket = points((waist * 0.55, top + 0.14), (waist * 0.8, top + 0.32), (hip, top + 0.36))
    return Garment(
        [rounded(symmetric(half))],
        panels=[(rectangle(-hip, top - 0.05, hip, top + 0.11), -0.22)],
        seams=[
            points((-waist - 0.02, top + 0.11), (waist + 0.02, top + 0.11)),
            points((0.0, top + 0.11), (0.0, crotch + 0.02)),
            pocket,
            mirrored(pocket),
        ],
        hems=[hem, mirrored(hem)],
        sides=[side, mirrored(side)],
        fronts=[points((0.15, top + 0.16), (0.13, crotch)), points((-0.15, top + 0.16), (-0.13, crotch))],
        belts=[points((-waist - 0.02, top + 0.06), (0.0, top + 0.07), (waist + 0.02, top + 0.06))],
        prints=[((gap + outer + hip) / 3 - 0.02, (crotch * 2 + bottom) / 3, min(0.24, leg * 0.7))],
        bows=[(0.0, top + 0.07, 0.24)],
    )


def pants(rng: np.random.Generator) -> Garment:
    """Cut long pants."""
    return _trousers(rng, rng.uniform(0.84, 0.94), rng.uniform(0.2, 0.34), rng.uniform(0.06, 0.18))


def shorts(rng: np.random.Generator) -> Garment:
    """Cut shorts."""
    garment = _trousers(rng, rng.uniform(0.02, 0.22), rng.uniform(0.44, 0.56), rng.uniform(0.06, 0.12))
    garment.prints = [(0.32, -0.12, 0.22)]
    return garment.moved(1.25, 0.0, 0.4)
