"""Casts people: how they are built and dressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.surveillance.rendering.skeleton import Body

if TYPE_CHECKING:
    from trifuse.systems.surveillance.rendering.skeleton import Colour

_SKIN: tuple[Colour, ...] = ((236, 198, 170), (214, 170, 136), (188, 138, 104), (142, 98, 70), (98, 66, 48))
_HAIR: tuple[Colour, ...] = ((24, 22, 22), (52, 38, 28), (92, 64, 40), (150, 146, 140), (178, 140, 84))
_TOPS: tuple[Colour, ...] = (
    (38, 42, 52),
    (196, 196, 194),
    (146, 44, 46),
    (52, 78, 130),
    (64, 92, 66),
    (206, 176, 90),
    (110, 82, 60),
    (90, 94, 100),
    (170, 110, 140),
    (226, 226, 222),
)
_BOTTOMS: tuple[Colour, ...] = ((32, 36, 48), (54, 66, 96), (84, 82, 80), (120, 104, 82), (24, 24, 26))
_SHOES: tuple[Colour, ...] = ((26, 26, 26), (90, 66, 46), (210, 210, 206))
_SKIRT_SHARE, _HAT_SHARE = 0.15, 0.15


def person(rng: np.random.Generator) -> Body:
    """Cast an adult or, seldom, a child."""
    child = rng.random() < 0.08
    return Body(
        height_m=float(rng.uniform(1.15, 1.4) if child else np.clip(rng.normal(1.7, 0.08), 1.52, 1.9)),
        build=float(rng.uniform(0.9, 1.25)),
        skin=_picked(_SKIN, rng),
        hair=_picked(_HAIR, rng),
        top=_picked(_TOPS, rng),
        bottom=_picked(_BOTTOMS, rng),
        shoes=_picked(_SHOES, rng),
        skirt=bool(rng.random() < _SKIRT_SHARE),
        hat=bool(rng.random() < _HAT_SHARE),
    )


def _picked(colours: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    red, green, blue = (rng.normal(colours[rng.integers(len(colours))], 9.0)).clip(8, 245).astype(int)
    return int(red), int(green), int(blue)
