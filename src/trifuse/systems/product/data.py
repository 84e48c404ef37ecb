"""Catalogue items as training tensors: photos decoded once, titles encoded in both languages."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.progress import track

from trifuse.errors import ArtifactError, InputError
from trifuse.preprocessing.image import ImageSettings, decode
from trifuse.systems.product.quality import LANGUAGES, item_keys, title_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from trifuse.catalog import Item
    from trifuse.preprocessing.text import TextEncoder
    from trifuse.systems.product.recipe import FacetRecipe


@dataclass(frozen=True)
class Texts:
    """One text an item and language: ids and masks (language, items, tokens)."""

    input_ids: Tensor
    attention_mask: Tensor

    def draw(self, languages: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Pick each chosen item's text in its language: ids and mask (n, tokens)."""
        return self.input_ids[languages, indices], self.attention_mask[languages, indices]


@dataclass(frozen=True)
class Facet:
    """An attribute that people also search by alone ("dress"): in words, and as a number.

    `weight` is that of its own loss, `kinship` how much two items of equal value belong together.
    """

    texts: Texts
    values: Tensor
    weight: float
    kinship: float

    def agreement(self, indices: Tensor) -> Tensor:
        """Tell which of the chosen items have an equal value, (n, n)."""
        values = self.values[indices]
        return (values[:, None] == values[None, :]).float()


@dataclass(frozen=True)
class ProductData:
    """Photos (items, 3, height, width) in bytes, titles, facets, and who belongs together.

    `keys` (items, kinds) hold integers: two items with an equal one are positives.
    """

    items: list[Item]
    photos: Tensor
    titles: Texts
    facets: list[Facet]
    keys: Tensor

    def __len__(self) -> int:
        return len(self.items)

    def positives(self, indices: Tensor) -> Tensor:
        """Tell which of the chosen items show the same product or bear the same title, (n, n)."""
        keys = self.keys[indices]
        return (keys[:, None, :] == keys[None, :, :]).any(dim=-1)


def load_data(
    items: list[Item],
    encoder: TextEncoder,
    settings: ImageSettings,
    photo_size: int,
    facets: Mapping[str, FacetRecipe],
) -> ProductData:
    """Decode and encode all items; facets that the catalogue does not have are left out.

    Raises ArtifactError naming the item that has no title or whose photo cannot be used.
    """
    for item in items:
        if not (item.title_zh or item.title_en):
            raise ArtifactError("an item has no title", got=item.id, expected="title_zh or title_en")
    titles = _encode(encoder, [[title_of(item, language) for item in items] for language in LANGUAGES])
    known = [
        _facet(items, encoder, name, facet)
        for name, facet in facets.items()
        if all(item.values(name) for item in items)
    ]
    return ProductData(
        items, _load_photos(items, settings, photo_size), titles, known, torch.from_numpy(item_keys(items))
    )


def _encode(encoder: TextEncoder, languages: list[list[str]]) -> Texts:
    encoded = [encoder(texts) for texts in languages]
    longest = max(ids.shape[1] for ids, _ in encoded)
    ids, mask = (
        np.stack([np.pad(part, ((0, 0), (0, longest - part.shape[1]))) for part in parts])
        for parts in zip(*encoded, strict=True)
    )
    return Texts(torch.from_numpy(ids), torch.from_numpy(mask))


def _facet(items: list[Item], encoder: TextEncoder, name: str, recipe: FacetRecipe) -> Facet:
    """Encode a facet's values; the column `<name>_zh` has the Chinese words."""
    english = [" ".join(item.values(name)) for item in items]
    chinese = [" ".join(item.values(f"{name}_zh")) or word for item, word in zip(items, english, strict=True)]
    values = torch.from_numpy(np.unique(english, return_inverse=True)[1])
    return Facet(_encode(encoder, [chinese, english]), values, recipe.weight, recipe.kinship)


def _load_photos(items: list[Item], settings: ImageSettings, size: int) -> Tensor:
    photos = np.empty((len(items), 3, size, size), np.uint8)
    with ThreadPoolExecutor() as pool:
        decoded = pool.map(partial(_load_photo, settings=settings, size=size), items)
        for index, photo in enumerate(track(decoded, "decoding photos", total=len(items))):
            photos[index] = photo.transpose(2, 0, 1)
    return torch.from_numpy(photos)


def _load_photo(
    item: Item, settings: ImageSettings, size: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    try:
        return decode(item.path.read_bytes(), settings, size)
    except (OSError, InputError) as error:
        raise ArtifactError(
            f"the photo of item {item.id} cannot be used",
            got=error,
            hint="Repair it or take it out of the manifest",
        ) from error
