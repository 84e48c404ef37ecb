"""Printed and woven patterns, drawn on a sheet of cloth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.product.rendering.canvas import disc, rectangle, turned

if TYPE_CHECKING:
    from trifuse.systems.product.rendering.canvas import Canvas, Colour

_REACH = 1.15
_PALE: Colour = (250, 247, 240)
_INKS: tuple[Colour, ...] = ((38, 48, 92), (40, 38, 40), (84, 54, 42))
_PETALS: tuple[Colour, ...] = (
    (252, 250, 246),
    (246, 178, 196),
    (222, 62, 84),
    (250, 214, 92),
    (170, 130, 206),
)
_LEAF: Colour = (74, 128, 78)


def is_light(colour: Colour) -> bool:
    """Tell whether dark details show better on a colour than light ones."""
    return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] > 150


def draw_pattern(canvas: Canvas, pattern: str, base: Colour, rng: np.random.Generator) -> None:
    """Draw one of the catalogue's patterns; a solid colour needs nothing."""
    ink = _INKS[rng.integers(len(_INKS))] if is_light(base) else _PALE
    match pattern:
        case "striped":
            _stripes(canvas, ink, rng)
        case "checked":
            _checks(canvas, ink, rng)
        case "dotted":
            _dots(canvas, ink, rng)
        case "floral":
            _flowers(canvas, base, rng)


def _stripes(canvas: Canvas, ink: Colour, rng: np.random.Generator) -> None:
    period = rng.uniform(0.15, 0.22)
    width, upright = period * rng.uniform(0.28, 0.38), rng.random() < 0.4
    for start in np.arange(-_REACH, _REACH, period):
        band = rectangle(-_REACH, start, _REACH, start + width)
        canvas.ink(band[:, ::-1] if upright else band, ink)


def _checks(canvas: Canvas, ink: Colour, rng: np.random.Generator) -> None:
    period = rng.uniform(0.22, 0.32)
    strength = 0.2 if ink == _PALE else 0.34
    for start in np.arange(-_REACH, _REACH, period):
        for offset, width, opacity in ((0.0, 0.38, strength), (0.65, 0.09, 0.6)):
            top = start + offset * period
            band = rectangle(-_REACH, top, _REACH, top + width * period)
            canvas.ink(band, ink, opacity)
            canvas.ink(band[:, ::-1], ink, opacity)


def _dots(canvas: Canvas, ink: Colour, rng: np.random.Generator) -> None:
    period = rng.uniform(0.17, 0.24)
    radius = period * rng.uniform(0.22, 0.29)
    for row, y in enumerate(np.arange(-_REACH, _REACH, period * 0.87)):
        for x in np.arange(-_REACH, _REACH, period) + period / 2 * (row % 2):
            canvas.ink(disc((x, y), radius), ink)


def _flowers(canvas: Canvas, base: Colour, rng: np.random.Generator) -> None:
    visible = sorted(_PETALS, key=lambda petal: -math.dist(petal, base))[:3]
    choice = [visible[index] for index in rng.permutation(3)[:2]]
    period = rng.uniform(0.28, 0.36)
    for row, y in enumerate(np.arange(-_REACH, _REACH, period * 0.8)):
        for x in np.arange(-_REACH, _REACH, period) + period / 2 * (row % 2):
            centre = np.array([x, y]) + rng.uniform(-0.25, 0.25, 2) * period
            _flower(canvas, centre, period * rng.uniform(0.28, 0.4), choice[rng.integers(2)], rng)


def _flower(
    canvas: Canvas, centre: np.ndarray, radius: float, petal: Colour, rng: np.random.Generator
) -> None:
    turn = rng.uniform(0.0, 2 * math.pi)
    leaf = disc((0.0, 0.0), 1.0, 8) * np.array([0.6, 0.24]) + np.array([1.1, 0.0])
    for angle in (turn, turn + 2.2):
        canvas.ink(turned(leaf, angle, centre, radius), _LEAF)
    for angle in turn + np.arange(5) * 2 * math.pi / 5:
        offset = np.array([math.cos(angle), math.sin(angle)]) * radius * 0.55
        canvas.ink(disc(centre + offset, radius * 0.42, 8), petal)
    canvas.ink(disc(centre, radius * 0.3, 8), (236, 182, 44))
