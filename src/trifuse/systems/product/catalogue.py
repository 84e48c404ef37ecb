"""Which products a generated shop sells: attributes, prices and the split."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from trifuse.systems.product.rendering.photo import Look
from trifuse.systems.product.titles import CATEGORIES, COLOURS, PATTERNS, STYLES, write_titles

if TYPE_CHECKING:
    from collections.abc import Iterator

_BESTSELLERS = (
    (Look("dress", "white", "solid", "simple"), 0.055),
    (Look("t-shirt", "white", "solid", "simple"), 0.03),
    (Look("t-shirt", "black", "solid", "simple"), 0.02),
    (Look("dress", "black", "solid", "elegant"), 0.02),
    (Look("pants", "black", "solid", "simple"), 0.02),
    (Look("dress", "red", "floral", "vintage"), 0.02),
    (Look("shoes", "white", "solid", "sporty"), 0.02),
    (Look("shirt", "white", "solid", "simple"), 0.015),
)
_COLOUR_WEIGHTS = {"white": 1.6, "black": 1.6, "grey": 1.2, "blue": 1.2}
_PATTERN_WEIGHTS = {"solid": 3.0}
_STYLE_WEIGHTS = {"simple": 1.6}
_TYPICAL_PRICES = {
    "t-shirt": 79,
    "shirt": 159,
    "long-sleeve top": 119,
    "pants": 199,
    "shorts": 109,
    "dress": 269,
    "skirt": 169,
    "jacket": 399,
    "hat": 69,
    "shoes": 329,
}
_GOLDEN_RATIO = 0.6180339887498949
_SECOND_PHOTO_SHARE = 0.2
_IN_STOCK_SHARE = 0.9
_SPLIT_CYCLE, _VALIDATION_IN_CYCLE = 20, 3


@dataclass(frozen=True)
class Product:
    """One product of the shop; `photos` counts how often it was photographed."""

    index: int
    look: Look
    title_zh: str
    title_en: str
    price: float
    in_stock: bool
    photos: int
    split: str


def products(seed: int) -> Iterator[Product]:
    """List the shop's products without end; the first ones are the same however many are taken.

    A product's split follows from how many like it came before, so that 3 of every 20 with equal category,
    colour and style are for validation.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    index = 0
    while True:
        rng = np.random.default_rng([seed, index])
        look = _sample(seed, index, rng)
        kind = (look.category, look.colour, look.style)
        place = seen[kind] + crc32(" ".join(kind).encode())
        seen[kind] += 1
        validation = place * _VALIDATION_IN_CYCLE % _SPLIT_CYCLE < _VALIDATION_IN_CYCLE
        title_zh, title_en = write_titles(look.category, look.colour, look.pattern, look.style, rng)
        yield Product(
            index=index,
            look=look,
            title_zh=title_zh,
            title_en=title_en,
            price=_price(look, rng),
            in_stock=bool(rng.random() < _IN_STOCK_SHARE),
            photos=2 if rng.random() < _SECOND_PHOTO_SHARE else 1,
            split="validation" if validation else "train",
        )
        index += 1


def _sample(seed: int, index: int, rng: np.random.Generator) -> Look:
    """Pick a bestseller or any combination; the golden ratio spreads bestsellers evenly over the shop."""
    position = (seed + index) * _GOLDEN_RATIO % 1.0
    for look, share in _BESTSELLERS:
        if position < share:
            return look
        position -= share
    return Look(
        _weighted(CATEGORIES, {}, rng),
        _weighted(COLOURS, _COLOUR_WEIGHTS, rng),
        _weighted(PATTERNS, _PATTERN_WEIGHTS, rng),
        _weighted(STYLES, _STYLE_WEIGHTS, rng),
    )


def _weighted(names: dict[str, str], weights: dict[str, float], rng: np.random.Generator) -> str:
    shares = np.array([weights.get(name, 1.0) for name in names])
    return list(names)[rng.choice(len(names), p=shares / shares.sum())]


def _price(look: Look, rng: np.random.Generator) -> float:
    factor = {"simple": 0.85, "elegant": 1.3}.get(look.style, 1.0) * float(rng.lognormal(0.0, 0.25))
    return round(round(_TYPICAL_PRICES[look.category] * factor) - 0.1, 1)
