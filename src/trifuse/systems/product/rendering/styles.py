"""What makes a style visible: trim, fastenings and motifs sewn on a garment."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.product.rendering.canvas import (
    disc,
    mirrored,
    points,
    rectangle,
    ribbon,
    rounded,
    spaced,
    turned,
)
from trifuse.systems.product.rendering.motifs import BOW_KNOT, BOW_TAIL, BOW_WING, GRAPHICS
from trifuse.systems.product.rendering.patterns import is_light

if TYPE_CHECKING:
    from trifuse.systems.product.rendering.canvas import Canvas, Colour, Points
    from trifuse.systems.product.rendering.garment import Garment

_GOLD: Colour = (196, 152, 46)
_DARK: Colour = (38, 34, 38)
_CHALK: Colour = (250, 250, 250)
_IVORY: Colour = (240, 228, 200)
_LEATHER: Colour = (118, 72, 40)
_RIBBONS: tuple[Colour, ...] = ((240, 110, 160), (230, 60, 90), (250, 190, 205))
_NEON: tuple[Colour, ...] = ((255, 70, 60), (40, 220, 140), (255, 220, 40), (60, 190, 255), (240, 60, 190))


def dress_up(canvas: Canvas, garment: Garment, style: str, base: Colour, rng: np.random.Generator) -> None:
    """Sew the details of a style on a garment; a simple one stays plain."""
    match style:
        case "sporty":
            _sporty(canvas, garment, base)
        case "elegant":
            _elegant(canvas, garment, base)
        case "vintage":
            _vintage(canvas, garment, base)
        case "cute":
            _cute(canvas, garment, base, rng)
        case "street":
            _street(canvas, garment, base, rng)


def _sporty(canvas: Canvas, garment: Garment, base: Colour) -> None:
    """Double stripes down the sides, a zip in front and contrasting ribs."""
    contrast = _DARK if is_light(base) else _CHALK
    for line in garment.sides:
        for offset in (-0.045, 0.035):
            canvas.ink(ribbon(line + np.array([offset, 0.0]), 0.048), contrast)
    for line in (*garment.edges, *garment.hems):
        canvas.ink(ribbon(line, 0.09), contrast)
    for line in garment.fronts:
        canvas.ink(ribbon(spaced(line, 0.1), 0.06), (60, 62, 66))
        for tooth in spaced(line, 0.055):
            canvas.ink(
                rectangle(tooth[0] - 0.022, tooth[1] - 0.012, tooth[0] + 0.022, tooth[1] + 0.012),
                (214, 216, 220),
            )
        canvas.ink(
            rectangle(line[0, 0] - 0.03, line[0, 1], line[0, 0] + 0.03, line[0, 1] + 0.1), (235, 60, 50)
        )


def _elegant(canvas: Canvas, garment: Garment, base: Colour) -> None:
    """Lace below the hems, gold along the edges, and a belt with a buckle."""
    for hem in garment.hems:
        _lace(canvas, spaced(hem, 0.1))
        canvas.ink(ribbon(hem, 0.05), _GOLD)
    for edge in garment.edges:
        canvas.ink(ribbon(edge, 0.065), _GOLD)
    belt = _DARK if is_light(base) else _IVORY
    for line in garment.belts:
        canvas.ink(ribbon(line, 0.1), belt)
        middle = line[len(line) // 2]
        for size, colour in ((0.085, _GOLD), (0.045, belt)):
            canvas.ink(
                rectangle(middle[0] - size, middle[1] - size, middle[0] + size, middle[1] + size), colour
            )


def _lace(canvas: Canvas, hem: Points) -> None:
    for centre in hem:
        canvas.sew(disc(centre + np.array([0.0, 0.03]), 0.062), (250, 246, 238))
    for centre in hem:
        canvas.ink(disc(centre + np.array([0.0, 0.045]), 0.022, 8), (176, 166, 158))


def _vintage(canvas: Canvas, garment: Garment, base: Colour) -> None:
    """A round ivory collar or a leather belt, big buttons and leather-brown piping."""
    piping = _IVORY if math.dist(base, _LEATHER) < 90 else _LEATHER
    for line in (*garment.hems, *garment.edges):
        canvas.ink(ribbon(line, 0.06), piping)
    for line in garment.belts if not garment.necklines else ():
        canvas.ink(ribbon(line, 0.11), piping)
    for neckline in garment.necklines:
        _collar(canvas, neckline)
    button = _IVORY if not is_light(base) else _LEATHER
    for line in garment.fronts:
        for centre in spaced(line, 0.2):
            canvas.ink(disc(centre, 0.058), (60, 40, 24))
            canvas.ink(disc(centre, 0.046), button)
            canvas.ink(disc(centre, 0.014, 8), (60, 40, 24))


def _collar(canvas: Canvas, neckline: Points) -> None:
    right = neckline[neckline[:, 0] >= -1e-9]
    if len(right) == len(neckline) or len(right) < 3:
        return
    low, outside = right[0, 1], right[-1]
    tip = outside + np.array([0.13, 0.08])
    wing = np.concatenate(
        [right, points(tip, (outside[0] + 0.1, low + 0.1), (0.1, low + 0.17), (0.01, low + 0.06))]
    )
    for outline in (rounded(wing), mirrored(rounded(wing))):
        canvas.sew(outline, _IVORY)
        canvas.ink(ribbon(np.concatenate([outline, outline[:1]]), 0.02), _LEATHER)


def _cute(canvas: Canvas, garment: Garment, base: Colour, rng: np.random.Generator) -> None:
    """Ruffles below the hems and a bow."""
    ribbon_colour = max(_RIBBONS, key=lambda colour: math.dist(colour, base) + rng.uniform(0.0, 40.0))
    for line in (*garment.hems, *garment.edges):
        _ruffle(canvas, spaced(line, 0.085), base)
    for x, y, size in garment.bows:
        _bow(canvas, np.array([x, y]), size * 1.15, ribbon_colour)


def _ruffle(canvas: Canvas, line: Points, base: Colour) -> None:
    edge = (238, 120, 160) if is_light(base) else (252, 206, 220)
    for index, centre in enumerate(line):
        place = centre + np.array([0.0, 0.02 + 0.012 * (index % 2)])
        canvas.sew(disc(place, 0.066), edge)
        canvas.ink(
            disc(place - np.array([0.0, 0.018]), 0.054),
            _blend(base, (255, 255, 255), 0.35 if index % 2 else 0.15),
        )


def _bow(canvas: Canvas, centre: Points, size: float, colour: Colour) -> None:
    dark = _blend(colour, (0, 0, 0), 0.25)
    for tail in (BOW_TAIL, mirrored(BOW_TAIL)):
        canvas.sew(tail * size + centre, dark)
    for wing in (BOW_WING, mirrored(BOW_WING)):
        canvas.sew(rounded(wing) * size + centre, colour)
        canvas.ink(rounded(wing) * np.array([0.55, 0.35]) * size + centre, dark, 0.6)
    canvas.sew(rounded(BOW_KNOT) * size + centre, dark)


def _street(canvas: Canvas, garment: Garment, base: Colour, rng: np.random.Generator) -> None:
    """A big graphic, sprayed paint and ripped cloth."""
    neon = [colour for colour in _NEON if math.dist(colour, base) > 120]
    first, second = (neon[index] for index in rng.permutation(len(neon))[:2])
    shape = GRAPHICS[rng.integers(len(GRAPHICS))]
    for x, y, size in garment.prints:
        canvas.ink(turned(rectangle(-1.05, -1.05, 1.05, 1.05), rng.uniform(-0.2, 0.2), (x, y), size), _DARK)
        canvas.ink(disc((x, y), size * 0.95, 20), second)
        canvas.ink(turned(shape, rng.uniform(-0.2, 0.2), (x, y), size * 1.1), _CHALK)
        canvas.ink(turned(shape, 0.0, (x, y), size * 0.85), first)
        _distress(canvas, np.array([x, y]), size, first, base, rng)


def _distress(
    canvas: Canvas, centre: Points, size: float, paint: Colour, base: Colour, rng: np.random.Generator
) -> None:
    for place in centre + rng.normal(0.0, size * 1.5, (14, 2)):
        canvas.ink(disc(place, rng.uniform(0.08, 0.2) * size, 8), paint)
    tear = _DARK if is_light(base) else (226, 222, 214)
    for place in centre + rng.uniform(-2.2, 2.2, (6, 2)) * size:
        for thread in range(3):
            scratch = place + points((-0.09, 0.028 * thread), (0.09, 0.028 * thread - 0.03))
            canvas.ink(ribbon(scratch, 0.016), tear, 0.85)


def _blend(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
