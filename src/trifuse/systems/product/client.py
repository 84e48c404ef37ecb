"""Calls of the product system with photos, titles and typed results."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from PIL import Image

from trifuse.client.encoding import bytes_tensor, text_bytes
from trifuse.client.operations import drive, drive_asynchronous
from trifuse.systems.product import calls
from trifuse.systems.product.calls import Described, Hit, Match, Photo, Product, Recommended

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from trifuse.client import Answer, AsyncTritonClient, TritonClient
    from trifuse.client.operations import Request

__all__ = ["AsyncProductClient", "Hit", "Match", "Product", "ProductClient", "Recommended", "canary_inputs"]


class ProductClient:
    """Matches and embeds products through a Triton client; long lists travel in several requests.

    Photos are encoded files (JPEG, PNG or WebP) as bytes or paths. Raises InputError and the errors of
    `TritonClient.infer`.
    """

    def __init__(self, client: TritonClient) -> None:
        self._client = client

    def match(self, image: Photo, text: str) -> Match:
        """Score how well a photo and a text belong together."""
        return self.match_many([(image, text)])[0]

    def match_many(self, pairs: Iterable[tuple[Photo, str]]) -> list[Match]:
        """Score pairs of photo and text."""
        return drive(calls.match(pairs), self._infer)

    def embed_image(self, images: Iterable[Photo]) -> NDArray[np.float32]:
        """Embed photos as unit vectors (n, 256)."""
        return drive(calls.embed_one_kind("image", map(calls.image_bytes, images)), self._infer)

    def embed_text(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Embed texts as unit vectors (n, 256)."""
        return drive(calls.embed_one_kind("text", map(text_bytes, texts)), self._infer)

    def embed(self, products: Sequence[Product]) -> NDArray[np.float32]:
        """Embed products with a photo, a title or both as unit vectors (n, 256)."""
        return drive(calls.embed(products), self._infer)

    def describe(self, products: Sequence[Product]) -> Described:
        """Embed products with a photo, and keep the image tokens that reranking compares."""
        return drive(calls.describe(products), self._infer)

    def search(
        self,
        text: str | None = None,
        image: Photo | None = None,
        *,
        filters: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> list[Hit]:
        """Search the index with a text, a photo or both; `options` are those of `SearchOptions`.

        `filters` are equal values, lists of values, or {"min": …, "max": …}.
        """
        return drive(calls.search(text, image, filters, options), self._infer)

    def recommend(
        self,
        history: Sequence[Mapping[str, str]] = (),
        *,
        filters: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> list[Recommended]:
        """Recommend for purchases {"product_id": …, "time": ISO 8601}; without any, what sells best.

        `options` are `top`, `now` (ISO 8601) and `exclude` (product ids).
        """
        return drive(calls.recommend(history, filters, options), self._infer)

    def _infer(self, request: Request) -> Answer:
        return self._client.infer(*request)


class AsyncProductClient:
    """Matches and embeds products from asyncio code, as `ProductClient` does."""

    def __init__(self, client: AsyncTritonClient) -> None:
        self._client = client

    async def match(self, image: Photo, text: str) -> Match:
        """Score how well a photo and a text belong together."""
        return (await self.match_many([(image, text)]))[0]

    async def match_many(self, pairs: Iterable[tuple[Photo, str]]) -> list[Match]:
        """Score pairs of photo and text."""
        return await drive_asynchronous(calls.match(pairs), self._infer)

    async def embed_image(self, images: Iterable[Photo]) -> NDArray[np.float32]:
        """Embed photos as unit vectors (n, 256)."""
        return await drive_asynchronous(
            calls.embed_one_kind("image", map(calls.image_bytes, images)), self._infer
        )

    async def embed_text(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Embed texts as unit vectors (n, 256)."""
        return await drive_asynchronous(calls.embed_one_kind("text", map(text_bytes, texts)), self._infer)

    async def embed(self, products: Sequence[Product]) -> NDArray[np.float32]:
        """Embed products with a photo, a title or both as unit vectors (n, 256)."""
        return await drive_asynchronous(calls.embed(products), self._infer)

    async def describe(self, products: Sequence[Product]) -> Described:
        """Embed products as `ProductClient.describe` does."""
        return await drive_asynchronous(calls.describe(products), self._infer)

    async def search(
        self,
        text: str | None = None,
        image: Photo | None = None,
        *,
        filters: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> list[Hit]:
        """Search the index as `ProductClient.search` does."""
        return await drive_asynchronous(calls.search(text, image, filters, options), self._infer)

    async def recommend(
        self,
        history: Sequence[Mapping[str, str]] = (),
        *,
        filters: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> list[Recommended]:
        """Recommend as `ProductClient.recommend` does."""
        return await drive_asynchronous(calls.recommend(history, filters, options), self._infer)

    async def _infer(self, request: Request) -> Answer:
        return await self._client.infer(*request)


def canary_inputs() -> dict[str, NDArray[np.object_]]:
    """Make one valid item for the inputs of ensembles and services, to probe a server with."""
    photo = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 60, 60)).save(photo, "JPEG")
    values = {"image": photo.getvalue(), "text": "红色 red".encode(), "options": b'{"top": 1}'}
    return {name: bytes_tensor([value]) for name, value in values.items()}
