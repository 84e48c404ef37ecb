"""Hats and shoes."""

from __future__ import annotations

import numpy as np

from trifuse.systems.product.rendering.canvas import mirrored, points, rounded, symmetric
from trifuse.systems.product.rendering.garment import Garment, loop


def hat(rng: np.random.Generator) -> Garment:
    """Cut a baseball cap or a hat with a brim all round."""
    return _cap(rng) if rng.random() < 0.5 else _brimmed(rng)


def _brimmed(rng: np.random.Generator) -> Garment:
    crown, top, brim = rng.uniform(0.4, 0.5), rng.uniform(-0.62, -0.45), rng.uniform(0.75, 0.95)
    drop = rng.uniform(0.28, 0.36)
    dome = symmetric(
        points((0.0, top), (crown * 0.75, top), (crown, top + 0.25), (crown + 0.05, 0.16), (0.0, 0.22))
    )
    lip = symmetric(
        points(
            (0.0, 0.04), (crown, 0.06), (brim, 0.24), (brim, drop), (crown, drop + 0.2), (0.0, drop + 0.26)
        )
    )
    rim = rounded(
        points((-brim, drop), (-crown, drop + 0.2), (crown, drop + 0.2), (brim, drop)), closed=False
    )
    base = rounded(points((-crown - 0.05, 0.1), (0.0, 0.2), (crown + 0.05, 0.1)), closed=False)
    stripe = points((0.15, top + 0.02), (0.2, -0.15), (0.21, 0.1))
    return Garment(
        [rounded(lip), rounded(dome)],
        panels=[(rounded(dome), 0.1)],
        seams=[base],
        hems=[rim],
        edges=[rim],
        sides=[stripe, mirrored(stripe)],
        fronts=[points((0.0, top + 0.12), (0.0, 0.08))],
        belts=[base - np.array([0.0, 0.07])],
        prints=[(0.0, (top + 0.1) / 2, 0.26)],
        bows=[(crown * 0.5, 0.06, 0.26)],
    )


def _cap(rng: np.random.Generator) -> Garment:
    top, peak = rng.uniform(-0.62, -0.5), rng.uniform(0.85, 0.98)
    dome = points(
        (-0.6, 0.3),
        (-0.62, -0.1),
        (-0.45, top + 0.08),
        (-0.05, top),
        (0.3, top + 0.1),
        (0.48, -0.1),
        (0.5, 0.2),
        (0.0, 0.3),
        (-0.6, 0.3),
    )
    bill = points((0.1, 0.16), (0.48, 0.08), (peak, 0.26), (peak, 0.36), (0.6, 0.34), (0.1, 0.34))
    band = rounded(points((-0.6, 0.24), (0.0, 0.27), (0.5, 0.16)), closed=False)
    ridge = rounded(points((-0.05, top), (0.18, -0.15), (0.2, 0.25)), closed=False)
    rear = rounded(points((-0.05, top), (-0.32, -0.15), (-0.36, 0.27)), closed=False)
    button = points((-0.12, top - 0.01), (-0.05, top - 0.05), (0.02, top - 0.01))
    rim = rounded(points((0.3, 0.33), (0.6, 0.34), (peak, 0.33)), closed=False)
    return Garment(
        [rounded(bill), rounded(dome), button],
        panels=[(rounded(bill), -0.22)],
        seams=[ridge, rear, band],
        hems=[rounded(points((-0.58, 0.29), (0.0, 0.31), (0.5, 0.22)), closed=False)],
        edges=[band, rim],
        sides=[ridge, rear],
        fronts=[points((-0.08, top + 0.14), (-0.1, 0.14))],
        belts=[band - np.array([0.0, 0.04])],
        prints=[(-0.05, -0.1, 0.27)],
        bows=[(0.3, 0.02, 0.26)],
    )


def shoes(rng: np.random.Generator) -> Garment:
    """Make a pair in side view, one above the other."""
    shoe = _shoe(rng)
    slip = rng.uniform(-0.12, 0.12)
    return shoe.moved(0.98, slip, -0.4).joined(shoe.moved(0.98, -slip, 0.44))


def _shoe(rng: np.random.Generator) -> Garment:
    """Draw a sneaker or, with a higher ankle, a boot; the toe points right."""
    ankle, toe = rng.choice([-0.22, -0.3, -0.42]), rng.uniform(0.78, 0.9)
    floor, sole = 0.26, rng.uniform(0.09, 0.14)
    upper = points(
        (-0.8, floor),
        (-0.8, 0.0),
        (-0.76, ankle),
        (-0.7, ankle - 0.03),
        (-0.45, ankle + 0.07),
        (-0.22, ankle - 0.03),
        (-0.16, ankle - 0.02),
        (0.02, -0.1),
        (0.35, 0.02),
        (toe - 0.12, 0.08),
        (toe, 0.2),
        (toe, floor),
    )
    tread = points(
        (-0.84, floor - 0.03),
        (toe, floor - 0.03),
        (toe + 0.06, floor),
        (toe, floor + sole),
        (-0.8, floor + sole),
    )
    mouth = points((-0.72, ankle - 0.01), (-0.45, ankle + 0.07), (-0.24, ankle - 0.01), (-0.45, ankle + 0.02))
    top = rounded(points((-0.76, ankle), (-0.45, ankle + 0.08), (-0.2, ankle)), closed=False)
    laces = [
        points((x - 0.06, y - 0.02), (x + 0.08, y + 0.08))
        for x, y in zip(np.linspace(-0.12, 0.16, 4), np.linspace(ankle + 0.1, -0.02, 4), strict=True)
    ]
    stripes = [points((x + 0.16, -0.06 + x * 0.1), (x, floor - 0.05)) for x in (-0.36, -0.18)]
    toe_cap = rounded(points((0.42, 0.04), (0.46, 0.14), (0.4, floor)), closed=False)
    counter = rounded(points((-0.78, -0.02), (-0.6, 0.02), (-0.52, floor)), closed=False)
    return Garment(
        [rounded(upper), rounded(tread)],
        panels=[(rounded(mouth), -0.6), (rounded(tread), float(rng.choice([0.75, -0.5])))],
        seams=[toe_cap, counter, loop(rounded(tread)), *laces],
        hems=[points((-0.8, floor - 0.03), (0.0, floor - 0.03), (toe, floor - 0.03))],
        edges=[top],
        sides=stripes,
        fronts=[points((-0.62, ankle + 0.14), (-0.6, floor - 0.06))],
        belts=[
            rounded(points((-0.78, ankle + 0.12), (-0.4, ankle + 0.2), (-0.02, ankle + 0.12)), closed=False)
        ],
        prints=[(-0.28, 0.08, 0.16)],
        bows=[(0.1, -0.06, 0.22)],
    )
