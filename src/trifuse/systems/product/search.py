"""Product search as a Triton service: query → embedding → candidates → reranking → products."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trifuse.contracts import PREPROCESS
from trifuse.errors import InputError
from trifuse.retrieval.options import MOST_CANDIDATES
from trifuse.retrieval.rank_fusion import reciprocal_rank_fusion
from trifuse.retrieval.token_store import restore_tokens
from trifuse.systems.product.index import read_options, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract
    from trifuse.retrieval.options import SearchOptions

_EXACT = 1.0
_CANDIDATES = ("ids", "scores", "documents", "groups", "count", "index_version", "settings")
_TEXT_INPUTS = ("input_ids", "attention_mask")
_STORED = ("image_tokens", "token_scales")


class _Query(NamedTuple):
    """What the encoders made of a query; `text` holds the fusion's inputs when it has a text."""

    embedding: NDArray[np.float32]
    text: dict[str, NDArray[Any]]


class Service:
    """Searches by `image` and/or `text`; `call` runs the models, the encoders in the index's version.

    The image encoder runs only for a photo, the text encoder only for a text.
    """

    def __init__(self, _: SystemContract, __: Path, call: Callable[..., dict[str, NDArray[Any]]]) -> None:
        self._call = call
        self._settings: dict[str, Any] = {}

    def __call__(
        self, inputs: Mapping[str, NDArray[Any]], _: Collection[str]
    ) -> dict[str, NDArray[np.generic]]:
        """Compute all outputs. Raises InputError."""
        query = {name: inputs[name][np.newaxis] for name in ("image", "text") if name in inputs}
        if not query:
            raise InputError("there is nothing to search for", expected="a photo, a text or both")
        options = read_options(inputs)
        encoded, found = self._candidates(query, inputs, options)
        scores = found["scores"].copy()
        if "image_tokens" in found and len(scores):
            scores[:MOST_CANDIDATES, 2] = self._match(encoded, found)
        order = rank(scores, self._settings["match_weight"], self._settings["words_weight"])
        return _answer(found, scores, order, options)

    def _candidates(
        self, query: dict[str, NDArray[Any]], inputs: Mapping[str, NDArray[Any]], options: SearchOptions
    ) -> tuple[_Query, dict[str, NDArray[Any]]]:
        """Ask the index; when it was made by another version of the encoders, encode once more with that."""
        if not self._settings:
            nothing = {"ids": texts(()), "options": texts(['{"top": 0}'])}
            self._learn(self._call("index", nothing, ["settings"]))
        while True:
            version = self._settings["model_version"]
            encoded = self._encode(query, version)
            found = self._ask(encoded, inputs, options)
            self._learn(found)
            if self._settings["model_version"] == version:
                return encoded, found

    def _learn(self, found: dict[str, NDArray[Any]]) -> None:
        self._settings = json.loads(found["settings"][0])

    def _ask(
        self, encoded: _Query, inputs: Mapping[str, NDArray[Any]], options: SearchOptions
    ) -> dict[str, NDArray[Any]]:
        passed = {name: inputs[name] for name in ("text", "filters", "options") if name in inputs}
        rerank = self._settings["rerank"] if options.rerank is None else options.rerank
        stored = _STORED if rerank and encoded.text else ()
        return self._call("index", {"embedding": encoded.embedding} | passed, [*_CANDIDATES, *stored])

    def _encode(self, query: dict[str, NDArray[Any]], version: int) -> _Query:
        names = [
            *(["pixel_values"] if "image" in query else []),
            *(_TEXT_INPUTS if "text" in query else ()),
        ]
        made = self._call(PREPROCESS, query, names, version)
        embeddings: dict[str, NDArray[Any]] = {}
        text: dict[str, NDArray[Any]] = {}
        if "image" in query:
            pixels = {"pixel_values": made["pixel_values"]}
            embeddings |= self._call("image_encoder", pixels, ["image_embedding"], version)
        if "text" in query:
            found = self._call(
                "text_encoder",
                {name: made[name] for name in _TEXT_INPUTS},
                ["text_embedding", "text_tokens"],
                version,
            )
            embeddings["text_embedding"] = found["text_embedding"]
            text = {"text_tokens": found["text_tokens"], "attention_mask": made["attention_mask"]}
        return _Query(self._join(embeddings, version)[0], text)

    def _join(self, embeddings: dict[str, NDArray[np.float32]], version: int) -> NDArray[np.float32]:
        if len(embeddings) == 1:
            return next(iter(embeddings.values()))
        present = {f"{name}_present": np.ones((1, 1), np.float32) for name in ("image", "text")}
        joint = self._call("joint", embeddings | present, ["product_embedding"], version)
        return joint["product_embedding"]

    def _match(self, query: _Query, found: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Score the best candidates with the query's text in one batch, the largest that the fusion takes."""
        stored = (found[name][:MOST_CANDIDATES] for name in _STORED)
        photos = restore_tokens(*stored)
        count = len(photos)
        pairs = {name: np.repeat(value, count, axis=0) for name, value in query.text.items()}
        version = self._settings["model_version"]
        scored = self._call("fusion", {"image_tokens": photos} | pairs, ["match_score"], version)
        return scored["match_score"][:, 0]


def rank(scores: NDArray[np.float32], match_weight: float, words_weight: float) -> NDArray[np.int64]:
    """Order hits: named ones first, then by similarity and match as one ranking and the words as another.

    `scores` (n, 4) are the rank's score (replaced in place), the similarity, the match and the lexical score.
    """
    similarity, match, lexical = scores[:, 1], scores[:, 2], scores[:, 3]
    blended = similarity + match_weight * np.nan_to_num(match)
    rankings = [(np.argsort(-blended, kind="stable").tolist(), 1.0)]
    if (with_words := np.flatnonzero(~np.isnan(lexical))).size:
        rankings.append((with_words[np.argsort(-lexical[with_words], kind="stable")].tolist(), words_weight))
    exact = scores[:, 0] >= _EXACT
    scores[:, 0] = reciprocal_rank_fusion(rankings, len(scores)) + exact
    return np.argsort(-scores[:, 0], kind="stable")


def _answer(
    found: dict[str, NDArray[Any]],
    scores: NDArray[np.float32],
    order: NDArray[np.int64],
    options: SearchOptions,
) -> dict[str, NDArray[np.generic]]:
    members: dict[int, list[int]] = {}
    for index in order.tolist():
        members.setdefault(int(found["groups"][index]) if options.group else index, []).append(index)
    shown = list(members.values())[: options.top]
    first = [group[0] for group in shown]
    documents = []
    for group in shown:
        document = json.loads(found["documents"][group[0]])
        variants = [found["ids"][index].decode() for index in group[1:]]
        documents.append(json.dumps(document | {"variants": variants}, ensure_ascii=False))
    return {
        "ids": found["ids"][first],
        "scores": scores[first],
        "documents": texts(documents),
        "count": np.array([len(first)], np.int32),
        "index_version": found["index_version"],
    }
