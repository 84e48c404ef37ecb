"""Who sits before a camera: looks, place, light and temper, all drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Colour = tuple[int, int, int]

_SKINS = ((255, 224, 189), (241, 194, 145), (224, 172, 105), (198, 134, 66), (141, 85, 36), (92, 56, 30))
_HAIRS = ((25, 20, 18), (60, 40, 25), (110, 75, 40), (180, 140, 80), (90, 90, 95), (140, 60, 30))


@dataclass(frozen=True)
class Learner:
    """Somebody's looks; sizes and places are shares of the picture's height, levels are in dB.

    `temper` (-1 to 1) moves all drawn attention up or down.
    """

    skin: Colour
    hair: Colour
    top: Colour
    wall: Colour
    desk: Colour
    long_hair: bool
    glasses: bool
    shelf: bool
    head: float
    x: float
    y: float
    desk_y: float
    light: float
    noise: float
    bed_db: float
    voice_seed: int
    temper: float

    def moved(self, pull: float) -> Learner:
        """Give somebody who looks the same, and is more or less attentive just now."""
        return replace(self, temper=self.temper + pull)


def draw_learner(rng: np.random.Generator) -> Learner:
    """Draw somebody."""
    return Learner(
        skin=_SKINS[rng.integers(len(_SKINS))],
        hair=_HAIRS[rng.integers(len(_HAIRS))],
        top=_colour(rng, 30, 230),
        wall=_colour(rng, 110, 240),
        desk=_colour(rng, 90, 190),
        long_hair=bool(rng.random() < 0.45),
        glasses=bool(rng.random() < 0.3),
        shelf=bool(rng.random() < 0.5),
        head=float(rng.uniform(0.15, 0.21)),
        x=float(rng.uniform(-0.12, 0.12)),
        y=float(rng.uniform(0.36, 0.44)),
        desk_y=float(rng.uniform(0.8, 0.88)),
        light=float(rng.uniform(0.65, 1.15)),
        noise=float(rng.uniform(1.0, 5.0)),
        bed_db=float(rng.uniform(-46, -34)),
        voice_seed=int(rng.integers(2**31)),
        temper=float(rng.uniform(-1, 1)),
    )


def _colour(rng: np.random.Generator, low: int, high: int) -> Colour:
    red, green, blue = rng.integers(low, high, 3).tolist()
    return red, green, blue
