"""What the product system's clients do, written once for blocking and asyncio use; results are typed."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trifuse.client.batching import batches
from trifuse.client.encoding import bytes_tensor, file_bytes, text_bytes
from trifuse.client.operations import Request
from trifuse.errors import InputError
from trifuse.retrieval.recommender import POPULAR
from trifuse.systems import PROFILES, contract
from trifuse.systems.product.contract import EMBEDDING_DIM, RECOMMENDATION_SCORES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from trifuse.client import Answer

Photo = bytes | Path
EMBEDDING_MODELS = {"image": "product_embed_image", "text": "product_embed_text"}
EMBED_MODEL = "product_embed"
SEARCH_MODEL = "product_search"
RECOMMEND_MODEL = "product_recommend"


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


@dataclass(frozen=True)
class Hit:
    """A product that a search found: its document, what it is ranked by, and the parts of that.

    `similarity` is the cosine of query and document, `match` the probability that photo and text belong
    together (None without reranking), `lexical` the BM25 score of the words in common (None without any).
    `variants` are the ids of further photos of the product. `index_version` says who answered.
    """

    id: str
    score: float
    similarity: float
    match: float | None
    lexical: float | None
    document: dict[str, Any]
    variants: tuple[str, ...]
    index_version: int


@dataclass(frozen=True)
class Recommended:
    """A product for a purchase history: its document, its score and the score's parts.

    `because_of` is the purchased product that contributed most; None: it is popular.
    """

    product: str
    score: float
    parts: dict[str, float]
    because_of: str | None
    document: dict[str, Any]


class Described(NamedTuple):
    """Unit vectors (n, 256) and image tokens (n, tokens, 256), and the versions that made them."""

    vectors: NDArray[np.float32]
    image_tokens: NDArray[np.float32]
    versions: set[int]


def match(pairs: Iterable[tuple[Photo, str]]) -> Generator[Request, Answer, list[Match]]:
    """Score pairs of photo and text."""
    encoded = ({"image": image_bytes(image), "text": text_bytes(text)} for image, text in pairs)
    matches: list[Match] = []
    for request in _requests("product_match", encoded, ("match_score", "fused")):
        answer = yield request
        scores, vectors = answer["match_score"][:, 0], answer["fused"]
        matches += [
            Match(float(score), fused, answer.model_version)
            for score, fused in zip(scores, vectors, strict=True)
        ]
    return matches


def embed_one_kind(kind: str, values: Iterable[bytes]) -> Generator[Request, Answer, NDArray[np.float32]]:
    """Embed photos or texts alone."""
    output = f"{kind}_embedding"
    parts = []
    for request in _requests(EMBEDDING_MODELS[kind], ({kind: value} for value in values), (output,)):
        answer = yield request
        parts.append(answer[output])
    return _stack(parts)


def embed(products: Sequence[Product]) -> Generator[Request, Answer, NDArray[np.float32]]:
    """Embed products with a photo, a text or both."""
    answers, order = yield from _embed_groups(products, ("product_embedding",))
    return _stack([answer["product_embedding"] for answer in answers])[order]


def describe(products: Sequence[Product]) -> Generator[Request, Answer, Described]:
    """Embed products with a photo, tokens included."""
    for index, product in enumerate(products):
        if product.image is None:
            raise InputError(f"product {index} of {len(products)} has no photo to describe")
    answers, order = yield from _embed_groups(products, ("product_embedding", "image_tokens"))
    vectors, tokens = (
        np.concatenate([answer[name] for answer in answers])[order]
        for name in ("product_embedding", "image_tokens")
    )
    return Described(vectors, tokens, {answer.model_version for answer in answers})


def _embed_groups(
    products: Sequence[Product], outputs: tuple[str, ...]
) -> Generator[Request, Answer, tuple[list[Answer], NDArray[np.int64]]]:
    """Embed in groups of equal inputs: a request has an input for all its items or for none.

    Returns the answers, and the order that puts their rows in that of the products. Raises InputError.
    """
    groups: dict[tuple[bool, bool], list[int]] = {}
    for index, product in enumerate(products):
        groups.setdefault((product.image is not None, product.text is not None), []).append(index)
    if (False, False) in groups:
        raise InputError(
            f"product {groups[False, False][0]} of {len(products)} has neither photo nor text",
            expected="one or both",
        )
    answers = []
    for members in groups.values():
        encoded = (_encode(products[index]) for index in members)
        for request in _requests(EMBED_MODEL, encoded, outputs):
            answer = yield request
            answers.append(answer)
    return answers, np.argsort([index for members in groups.values() for index in members])


def search(
    text: str | None, image: Photo | None, filters: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> Generator[Request, Answer, list[Hit]]:
    """Search the index. Raises InputError for an empty query."""
    query = _encode(Product(image, text))
    if not query:
        raise InputError("there is nothing to search for", expected="a photo, a text or both")
    inputs = {name: bytes_tensor([value])[0] for name, value in query.items()}
    inputs |= _json_inputs(filters=filters, options=options)
    answer = yield Request(SEARCH_MODEL, inputs, ("ids", "scores", "documents", "index_version"))
    version = int(answer["index_version"][0])
    return [
        _hit(json.loads(document), scores.tolist(), version)
        for document, scores in zip(answer["documents"], answer["scores"], strict=True)
    ]


def recommend(
    history: Sequence[Mapping[str, str]], filters: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> Generator[Request, Answer, list[Recommended]]:
    """Recommend for a purchase history."""
    # Without any purchase and option there would be no input at all, which Triton refuses.
    inputs = _json_inputs(history=list(history), filters=filters, options={"top": 10} | dict(options))
    answer = yield Request(RECOMMEND_MODEL, inputs, ("ids", "scores", "reasons", "documents"))
    rows = zip(*(answer[name] for name in ("ids", "scores", "reasons", "documents")), strict=True)
    return [
        Recommended(
            product=name.decode(),
            score=float(scores[0]),
            parts=dict(zip(RECOMMENDATION_SCORES[1:], scores[1:].tolist(), strict=True)),
            because_of=None if reason.decode() == POPULAR else reason.decode(),
            document=json.loads(document),
        )
        for name, scores, reason, document in rows
    ]


def _json_inputs(**values: Any) -> dict[str, NDArray[np.object_]]:
    encoded = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items() if value}
    return {name: bytes_tensor([text_bytes(text)])[0] for name, text in encoded.items()}


def _hit(document: dict[str, Any], scores: list[float], version: int) -> Hit:
    score, similarity, match, lexical = scores
    return Hit(
        id=document["id"],
        score=score,
        similarity=similarity,
        match=None if math.isnan(match) else match,
        lexical=None if math.isnan(lexical) else lexical,
        variants=tuple(document.pop("variants")),
        document=document,
        index_version=version,
    )


def _encode(product: Product) -> dict[str, bytes]:
    encoded = {}
    if product.image is not None:
        encoded["image"] = image_bytes(product.image)
    if product.text is not None:
        encoded["text"] = text_bytes(product.text)
    return encoded


def _requests(model: str, items: Iterable[dict[str, bytes]], outputs: tuple[str, ...]) -> Iterator[Request]:
    # The batch limit is the same in every profile.
    max_items = contract("product", PROFILES[0]).max_batch_size
    for batch in batches(items, max_items, lambda item: sum(map(len, item.values()))):
        yield Request(model, {name: bytes_tensor(item[name] for item in batch) for name in batch[0]}, outputs)


def _stack(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(parts) if parts else np.empty((0, EMBEDDING_DIM), np.float32)


def image_bytes(image: Photo) -> bytes:
    """Read a photo that is a path. Raises InputError."""
    return image if isinstance(image, bytes) else file_bytes(Path(image))
