"""Amazon Berkeley Objects: products with several photos and names in many languages.

Layout: https://amazon-berkeley-objects.s3.amazonaws.com/index.html (README.md of the data set). A product may
be listed in several marketplaces, in other languages each: those listings become one product. Products that
differ in size only share their main photo, so that photo decides the split; another photo that two products
show is taken once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trifuse.importing.rows import clean, new_row, split_of
from trifuse.importing.tables import csv_rows, json_lines
from trifuse.systems.product.importers.shared.photos import with_photos

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trifuse.importing.job import Job
    from trifuse.importing.rows import Row

LAYOUT = (
    "listings/metadata/listings_*.json.gz",
    "images/metadata/images.csv.gz",
    "images/small|images/original",
)

_CHINESE, _ENGLISH = ("zh_CN",), ("en_US", "en_GB", "en_")
_ATTRIBUTES = {
    "brand": "brand",
    "material": "material",
    "pattern": "pattern",
    "style": "style",
}


@dataclass
class _Product:
    """What the listings of one product say: the first to name something is believed."""

    columns: dict[str, str] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)

    def add(self, listing: dict[str, Any]) -> None:
        self.columns = _columns(listing) | self.columns
        others = listing.get("other_image_id")
        named = [listing.get("main_image_id"), *(others if isinstance(others, list) else ())]
        found = [image for image in named if isinstance(image, str) and image]
        self.images = list(dict.fromkeys([*self.images, *found]))


def rows(job: Job) -> Iterator[Row]:
    """Yield the main photo of every product, then the others."""
    products = _products(job)
    table = job.folder / "images/metadata/images.csv.gz"
    paths = {row["image_id"]: row["path"] for row in csv_rows(job, table, ("image_id", "path"))}
    yield from with_photos(job, _listed(job, _views(job, products), paths))


def _products(job: Job) -> dict[str, _Product]:
    products: dict[str, _Product] = {}
    for shard in sorted(job.folder.glob(LAYOUT[0])):
        for listing in json_lines(job, shard):
            identity = listing.get("item_id")
            if isinstance(identity, str) and clean(identity):
                products.setdefault(clean(identity), _Product()).add(listing)
            else:
                job.leave_out("a listing without an item_id", shard.name)
    return {name: product for name, product in products.items() if _is_usable(job, name, product)}


def _is_usable(job: Job, identity: str, product: _Product) -> bool:
    if not product.images:
        job.leave_out("a product without a photo", identity)
    elif not {"title_zh", "title_en"} & product.columns.keys():
        job.leave_out("a product without a Chinese or English name", identity)
    else:
        return True
    return False


def _views(job: Job, products: dict[str, _Product]) -> Iterator[tuple[str, Row]]:
    """Yield an image's id and its row; only a main photo may belong to several products."""
    taken = {product.images[0] for product in products.values()}
    for identity, product in products.items():
        yield product.images[0], _row(identity, identity, product, "main")
    for identity, product in products.items():
        for number, image in enumerate(product.images[1:], 2):
            if image in taken:
                job.leave_out("a further photo that another product shows too", image)
            else:
                taken.add(image)
                yield image, _row(f"{identity}-{number}", identity, product, "other")


def _row(identity: str, product_id: str, product: _Product, view: str) -> Row:
    split = split_of(clean(product.images[0]))
    return new_row(id=identity, split=split, product_id=product_id, view=view, **product.columns)


def _listed(job: Job, views: Iterator[tuple[str, Row]], paths: dict[str, str]) -> Iterator[tuple[Path, Row]]:
    small = job.folder / "images/small"
    root = small if small.is_dir() else job.folder / "images/original"
    for image, row in views:
        if image in paths:
            yield root / paths[image], row
        else:
            job.leave_out("a photo that images.csv.gz does not list", image)


def _columns(listing: dict[str, Any]) -> dict[str, str]:
    columns = {name: _text(listing, key, _ENGLISH) for name, key in _ATTRIBUTES.items()} | {
        "title_zh": _text(listing, "item_name", _CHINESE),
        "title_en": _text(listing, "item_name", _ENGLISH),
        "category": _text(listing, "product_type", ("",)).lower().replace("_", " "),
        "colour": (_standard_colour(listing) or _text(listing, "color", _ENGLISH)).lower(),
        "colour_zh": _text(listing, "color", _CHINESE),
    }
    return new_row(**columns)


def _text(listing: dict[str, Any], key: str, languages: tuple[str, ...]) -> str:
    """Find a value in the first of the languages that there is; "" takes any, and values without one."""
    entries = _entries(listing, key)
    for language in languages:
        for entry in entries:
            value, tag = entry.get("value"), entry.get("language_tag", "")
            if isinstance(value, str) and isinstance(tag, str) and tag.startswith(language):
                return value
    return ""


def _standard_colour(listing: dict[str, Any]) -> str:
    """Take Amazon's own name of the colour, such as "Black", before the seller's, such as "Midnight"."""
    for entry in _entries(listing, "color"):
        names = entry.get("standardized_values")
        if str(entry.get("language_tag")).startswith("en_") and isinstance(names, list) and names:
            return str(names[0])
    return ""


def _entries(listing: dict[str, Any], key: str) -> list[dict[str, Any]]:
    values = listing.get(key)
    return [entry for entry in values if isinstance(entry, dict)] if isinstance(values, list) else []
