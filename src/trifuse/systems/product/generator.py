"""Generates a shop: product photos, a manifest with titles in Chinese and English, and purchase histories."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from trifuse.artifacts import write_file
from trifuse.catalog import MANIFEST_NAME
from trifuse.errors import ConfigurationError
from trifuse.synthesis.production import json_lines, make_all, refuse_foreign, remove_unfinished
from trifuse.systems.product import shoppers
from trifuse.systems.product.catalogue import Product, products
from trifuse.systems.product.rendering.photo import encode, render
from trifuse.systems.product.titles import CATEGORIES, COLOURS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEFAULT_ITEMS = 2400

# Counts changes of the drawing: photos of another revision are rendered again.
_REVISION = 1
_MAKE_STREAM, _TAKE_STREAM = 1, 2
_PHOTOS_PER_TASK = 16
_SHOPPERS_PER_PRODUCT = 2


@dataclass(frozen=True)
class _Photo:
    """One line of the manifest: a product in one of its views."""

    product: Product
    view: int

    @property
    def id(self) -> str:
        return f"{self.product_id}-{self.view + 1}"

    @property
    def product_id(self) -> str:
        return f"p{self.product.index:05d}"

    @property
    def path(self) -> str:
        return f"images/{self.id}.jpg"


def generate(output: Path, *, items: int, seed: int, workers: int | None = None) -> Path:
    """Render `items` photos into a folder and return its manifest, which is written after them.

    Purchases by two shoppers for every product follow, in `transactions.csv`. Equal seeds give equal photos,
    whatever the number of workers (default: one a core). Photos of the seed that are already there are kept,
    so that a stopped run goes on; others are replaced where the names clash. Raises ConfigurationError.
    """
    if items < 1 or seed < 0:
        raise ConfigurationError(
            "such a shop cannot be generated",
            got=f"{items} items, seed {seed}",
            expected="items >= 1 and seed >= 0",
        )
    photos = list(itertools.islice(_photos(seed), items))
    manifest = output / MANIFEST_NAME
    refuse_foreign(manifest, "id", _Photo(next(iter(products(seed=0))), view=0).id)
    manifest.unlink(missing_ok=True)
    (output / shoppers.FILE_NAME).unlink(missing_ok=True)
    remove_unfinished(output / "images", ("jpg",))
    missing = [photo for photo in photos if not _is_made(output / photo.path, seed)]
    if missing:
        make_all(partial(_take, output, seed), missing, "Taking product photos", workers, _PHOTOS_PER_TASK)
    write_file(manifest, json_lines(map(_row, photos)))
    sold = len({photo.product_id for photo in photos})
    shoppers.write_transactions(manifest, users=_SHOPPERS_PER_PRODUCT * sold, seed=seed)
    return manifest


def _photos(seed: int) -> Iterator[_Photo]:
    for product in products(seed):
        for view in range(product.photos):
            yield _Photo(product, view)


def _row(photo: _Photo) -> dict[str, str | float | bool]:
    product, look = photo.product, photo.product.look
    return {
        "id": photo.id,
        "path": photo.path,
        "title_zh": product.title_zh,
        "title_en": product.title_en,
        "product_id": photo.product_id,
        "category": look.category,
        "category_zh": CATEGORIES[look.category],
        "colour": look.colour,
        "colour_zh": COLOURS[look.colour],
        "pattern": look.pattern,
        "style": look.style,
        "price": product.price,
        "in_stock": product.in_stock,
        "split": product.split,
    }


def _take(output: Path, seed: int, photo: _Photo) -> None:
    make = np.random.default_rng([seed, photo.product.index, _MAKE_STREAM])
    take = np.random.default_rng([seed, photo.product.index, _TAKE_STREAM, photo.view])
    image = render(photo.product.look, make, take)
    write_file(output / photo.path, encode(image, take, _stamp(seed)))


def _stamp(seed: int) -> str:
    return f"trifuse product photo, revision {_REVISION}, seed {seed}"


def _is_made(path: Path, seed: int) -> bool:
    try:
        with Image.open(path) as image:
            return bool(image.info.get("comment") == _stamp(seed).encode())
    except (FileNotFoundError, UnidentifiedImageError):
        return False
