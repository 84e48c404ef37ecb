"""What the product index holds of a catalogue's items: documents, vectors and image tokens."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.client.encoding import file_bytes
from trifuse.client.journal import Embedded
from trifuse.errors import RequestError
from trifuse.preprocessing.image import difference_hash
from trifuse.retrieval.documents import Document
from trifuse.retrieval.index import IndexSettings
from trifuse.retrieval.token_store import pool_tokens, quantize_tokens
from trifuse.retrieval.writing import Entry
from trifuse.systems.product.calls import EMBED_MODEL
from trifuse.systems.product.client import Product, ProductClient, canary_inputs
from trifuse.systems.product.contract import EMBEDDING_DIM, STORED_TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from trifuse.catalog import Item
    from trifuse.client import TritonClient
    from trifuse.client.journal import Journal

_TITLES = ("title_zh", "title_en")
_ARTICLE_NUMBER = "sku"
_POOLED_SIDE = round(STORED_TOKENS**0.5)
_READ_TOGETHER = 256
# In characters, of which each can be four of the 4,096 bytes that a text may have.
_LONGEST_TITLE = 1024
_CALIBRATING, _REFUSED_SHARE = 2000, 0.02


class Encoder:
    """Embeds items with the version of the encoders that a server serves when this is made."""

    def __init__(self, triton: TritonClient) -> None:
        self._products = ProductClient(triton)
        self.version = int(triton.metadata(EMBED_MODEL).version)
        # Another server may serve other weights under the same version: one embedding tells them apart.
        canary = self._products.embed_image([canary_inputs()["image"][0, 0]])
        self.identity = f"{self.version} {hashlib.sha256(canary.tobytes()).hexdigest()}"

    def __call__(self, items: Sequence[Item]) -> list[Embedded]:
        """Embed items by photo and titles. Raises InputError for a batch with an item that cannot be used."""
        photos = [file_bytes(item.path) for item in items]
        # The encoders were trained on one language at a time, and bring both to the same place.
        texts = [item.title_zh.strip() or item.title_en.strip() or None for item in items]
        described = self._products.describe(list(map(Product, photos, texts)))
        if described.versions != {self.version}:
            raise RequestError(
                "the server has changed to other encoders meanwhile",
                got=f"version {', '.join(map(str, sorted(described.versions)))}",
                expected=self.version,
                hint="Run the command again: the index is made with the version that is served then",
            )
        values, scales = quantize_tokens(pool_tokens(described.image_tokens, _POOLED_SIDE))
        return [
            Embedded(difference_hash(photo), vector, (value, scale))
            for photo, vector, value, scale in zip(photos, described.vectors, values, scales, strict=True)
        ]

    def threshold(self, entries: Sequence[Entry]) -> float:
        """Calibrate below which similarity a text has no answer, by what titles find among other products.

        2 % of the titles find less than this; without titles, or with one product, everything is an answer.
        """
        if not entries:
            return -1.0
        vectors = np.stack([entry.vector for entry in entries])
        products = np.array([entry.document.product for entry in entries])
        best = [_best_of_others(self._products, entries, name, vectors, products) for name in _TITLES]
        found = np.concatenate(best)
        return float(np.quantile(found, _REFUSED_SHARE)) if len(found) else -1.0


def _best_of_others(
    client: ProductClient,
    entries: Sequence[Entry],
    name: str,
    vectors: NDArray[np.float32],
    products: NDArray[np.str_],
) -> NDArray[np.float32]:
    """Search with the titles of a language, and say how near the best document of another product is."""
    titles = [entry.document.data[name].strip() for entry in entries]
    titled = [index for index, title in enumerate(titles) if title and len(title) <= _LONGEST_TITLE]
    queries = client.embed_text(titles[index] for index in titled)
    similarity = np.where(products[titled, None] == products[None], -np.inf, queries @ vectors.T)
    best = similarity.max(axis=1, initial=-np.inf)
    return np.asarray(best[np.isfinite(best)], np.float32)


def sample(items: Sequence[Item]) -> Sequence[Item]:
    """Choose the items that calibrate, spread over all."""
    return items[:: max(1, len(items) // _CALIBRATING)]


def settings(model_version: int, **changed: Any) -> IndexSettings:
    """Describe an index of the product system that is made with a version of its encoders."""
    return IndexSettings(model_version, STORED_TOKENS, EMBEDDING_DIM, **changed)


def entries(items: Iterable[Item], journal: Journal) -> Iterator[Entry]:
    """Put together what the index holds of items; those with a problem are left out."""
    waiting: list[Item] = []
    for item in items:
        waiting.append(item)
        if len(waiting) == _READ_TOGETHER:
            yield from _entries(waiting, journal)
            waiting.clear()
    if waiting:
        yield from _entries(waiting, journal)


def _entries(items: Sequence[Item], journal: Journal) -> Iterator[Entry]:
    stored = journal.read([item.id for item in items])
    for item in items:
        made = stored[item.id]
        if made.vector is not None and made.tokens is not None:
            yield Entry(_document(item, made.look), made.vector, made.tokens, _attributes(item))


def _document(item: Item, look: bytes) -> Document:
    titles = {name: getattr(item, name) for name in _TITLES}
    return Document(
        id=item.id,
        product=(item.values("product_id") or (item.id,))[0],
        text=" ".join(titles.values()),
        codes=item.values(_ARTICLE_NUMBER),
        look=look,
        data={"path": str(item.path.resolve()), **titles, "attributes": item.attributes},
    )


def _attributes(item: Item) -> dict[str, Any]:
    """Choose what can be filtered by: single values and lists of texts."""
    return {name: value for name, value in item.attributes.items() if value is not None and value != []}
