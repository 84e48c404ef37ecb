"""Calls of the product system with photos, titles and typed results."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from trifuse.client.batching import batches
from trifuse.client.encoding import bytes_tensor, file_bytes, text_bytes
from trifuse.client.operations import drive, drive_asynchronous
from trifuse.errors import InputError
from trifuse.systems import PROFILES, contract
from trifuse.systems.product.contract import EMBEDDING_DIM

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from trifuse.client import Answer, AsyncTritonClient, TritonClient

Photo = bytes | Path
EMBEDDING_MODELS = {"image": "product_embed_image", "text": "product_embed_text"}


@dataclass(frozen=True)
class Match:
    """How well a photo and a text belong together: a probability, and the fused vector (256,).

    `version` is the published version that said so.
    """

    score: float
    fused: NDArray[np.float32]
    version: int

    @property
    def is_match(self) -> bool:
        """Say whether a match is likelier than not; the score is calibrated."""
        return self.score >= 0.5


@dataclass(frozen=True)
class Product:
    """A product by its photo, its title or both."""

    image: Photo | None = None
    text: str | None = None


class _Request(NamedTuple):
    model: str
    inputs: dict[str, NDArray[np.object_]]
    outputs: tuple[str, ...]


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
        return drive(_match(pairs), self._infer)

    def embed_image(self, images: Iterable[Photo]) -> NDArray[np.float32]:
        """Embed photos as unit vectors (n, 256)."""
        return drive(_embed_one_kind("image", map(_image_bytes, images)), self._infer)

    def embed_text(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Embed texts as unit vectors (n, 256)."""
        return drive(_embed_one_kind("text", map(text_bytes, texts)), self._infer)

    def embed(self, products: Sequence[Product]) -> NDArray[np.float32]:
        """Embed products with a photo, a title or both as unit vectors (n, 256)."""
        return drive(_embed(products), self._infer)

    def _infer(self, request: _Request) -> Answer:
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
        return await drive_asynchronous(_match(pairs), self._infer)

    async def embed_image(self, images: Iterable[Photo]) -> NDArray[np.float32]:
        """Embed photos as unit vectors (n, 256)."""
        return await drive_asynchronous(_embed_one_kind("image", map(_image_bytes, images)), self._infer)

    async def embed_text(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Embed texts as unit vectors (n, 256)."""
        return await drive_asynchronous(_embed_one_kind("text", map(text_bytes, texts)), self._infer)

    async def embed(self, products: Sequence[Product]) -> NDArray[np.float32]:
        """Embed products with a photo, a title or both as unit vectors (n, 256)."""
        return await drive_asynchronous(_embed(products), self._infer)

    async def _infer(self, request: _Request) -> Answer:
        return await self._client.infer(*request)


def canary_inputs() -> dict[str, NDArray[np.object_]]:
    """Make one valid item for every input of the ensembles, to probe a server with."""
    photo = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 60, 60)).save(photo, "JPEG")
    return {"image": bytes_tensor([photo.getvalue()]), "text": bytes_tensor(["红色 red".encode()])}


def _match(pairs: Iterable[tuple[Photo, str]]) -> Generator[_Request, Answer, list[Match]]:
    encoded = ({"image": _image_bytes(image), "text": text_bytes(text)} for image, text in pairs)
    matches: list[Match] = []
    for request in _requests("product_match", encoded, ("match_score", "fused")):
        answer = yield request
        scores, vectors = answer["match_score"][:, 0], answer["fused"]
        matches += [
            Match(float(score), fused, answer.model_version)
            for score, fused in zip(scores, vectors, strict=True)
        ]
    return matches


def _embed_one_kind(kind: str, values: Iterable[bytes]) -> Generator[_Request, Answer, NDArray[np.float32]]:
    output = f"{kind}_embedding"
    parts = []
    for request in _requests(EMBEDDING_MODELS[kind], ({kind: value} for value in values), (output,)):
        answer = yield request
        parts.append(answer[output])
    return _stack(parts)


def _embed(products: Sequence[Product]) -> Generator[_Request, Answer, NDArray[np.float32]]:
    """Embed products in groups of equal inputs: a request has an input for all its items or for none."""
    groups: dict[tuple[bool, bool], list[int]] = {}
    for index, product in enumerate(products):
        groups.setdefault((product.image is not None, product.text is not None), []).append(index)
    if (False, False) in groups:
        raise InputError(
            f"product {groups[False, False][0]} of {len(products)} has neither photo nor text",
            expected="one or both",
        )
    parts = []
    for members in groups.values():
        encoded = (_encode(products[index]) for index in members)
        for request in _requests("product_embed", encoded, ("product_embedding",)):
            answer = yield request
            parts.append(answer["product_embedding"])
    order = np.argsort([index for members in groups.values() for index in members])
    return _stack(parts)[order]


def _encode(product: Product) -> dict[str, bytes]:
    encoded = {}
    if product.image is not None:
        encoded["image"] = _image_bytes(product.image)
    if product.text is not None:
        encoded["text"] = text_bytes(product.text)
    return encoded


def _requests(model: str, items: Iterable[dict[str, bytes]], outputs: tuple[str, ...]) -> Iterator[_Request]:
    # The batch limit is the same in every profile.
    max_items = contract("product", PROFILES[0]).max_batch_size
    for batch in batches(items, max_items, lambda item: sum(map(len, item.values()))):
        yield _Request(
            model, {name: bytes_tensor(item[name] for item in batch) for name in batch[0]}, outputs
        )


def _stack(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(parts) if parts else np.empty((0, EMBEDDING_DIM), np.float32)


def _image_bytes(image: Photo) -> bytes:
    return image if isinstance(image, bytes) else file_bytes(Path(image))
