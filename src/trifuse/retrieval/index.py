"""A catalogue's index: vectors, documents and image tokens in a folder that never changes once made."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from trifuse.artifacts import read_manifest
from trifuse.errors import InputError
from trifuse.retrieval.documents import Documents
from trifuse.retrieval.rank_fusion import group_variants, reciprocal_rank_fusion
from trifuse.retrieval.token_store import TokenStore
from trifuse.retrieval.vectors import load_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.retrieval.documents import Document
    from trifuse.retrieval.filters import Filters
    from trifuse.retrieval.options import SearchOptions
    from trifuse.retrieval.vectors import Vectors

VECTORS, DOCUMENTS = "vectors", "documents.sqlite"
_UNKNOWN = float("nan")


@dataclass(frozen=True)
class IndexSettings:
    """What an index was made with.

    `model_version` is the version of the encoders that its vectors come from. For a text, a best similarity
    below `threshold` is no answer; photos whose difference hashes differ in `same_photo_bits` at most are the
    same. `match_weight` is what the match score counts beside the similarity where candidates are reranked,
    `words_weight` what the ranking by words counts beside the one by similarity, and `rerank` whether a query
    that does not say is reranked (docs/decisions/0012-*).
    """

    model_version: int
    tokens: int
    dim: int
    threshold: float = -1.0
    same_photo_bits: int = 12
    match_weight: float = 0.1
    words_weight: float = 0.1
    rerank: bool = False


def read_settings(folder: Path) -> IndexSettings:
    """Read the settings of an index. Raises ArtifactError when there is none."""
    return IndexSettings(**read_manifest(folder).details["settings"])


class Hits(NamedTuple):
    """Documents with their scores, best first: `counts` says how many belong to each query.

    `scores` (n, 3) are the rank's score, the similarity, and the lexical score (NaN without one); hits of an
    equal number in `groups` are variants of one product.
    """

    keys: NDArray[np.int64]
    scores: NDArray[np.float32]
    counts: NDArray[np.int32]
    groups: NDArray[np.int32]


class CatalogueIndex:
    """Searches a finished index. Raises ArtifactError when it is incomplete."""

    def __init__(
        self, settings: IndexSettings, vectors: Vectors, documents: Documents, tokens: TokenStore
    ) -> None:
        self.settings, self._vectors = settings, vectors
        self._documents, self._tokens = documents, tokens

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open an index's folder."""
        settings = read_settings(folder)
        tokens = TokenStore(folder, settings.tokens, settings.dim)
        return cls(settings, load_vectors(folder / VECTORS), Documents.open(folder / DOCUMENTS), tokens)

    def __len__(self) -> int:
        return len(self._documents)

    def search(
        self,
        embedding: NDArray[np.float32] | None,
        text: str | None,
        filters: Filters | None,
        options: SearchOptions,
    ) -> Hits:
        """Find candidates by an embedding (dim,), by the words of a text, or by both as one ranking.

        Documents whose article number or rare words the text names come first. Raises InputError for unknown
        filters.
        """
        if embedding is None and text is None:
            raise InputError("there is nothing to search for", expected="an embedding, a text or both")
        limit = max(options.candidates, options.top)
        dense = self._by_vector(embedding, limit, filters) if embedding is not None else {}
        exact, words = self._by_text(text, limit, filters) if text and options.lexical else ([], {})
        best = max(dense.values(), default=-1.0)
        if text and not exact and not words and best < self.settings.threshold and not options.weak:
            return _no_hits()
        return self._combine(dense, exact, words, embedding, limit)

    def similar(self, ids: Sequence[str], top: int, filters: Filters | None) -> Hits:
        """Find other products near each of the products or documents named; unknown ones have no hits."""
        known = self._find(ids)
        keys, scores, counts = [], [], []
        for name in ids:
            own = known.get(name, [])
            found = self._near(own, top, filters) if own else {}
            keys += list(found)
            scores += list(found.values())
            counts.append(len(found))
        return _hits(np.array(keys, np.int64), np.array(scores, np.float32), np.array(counts, np.int32))

    def nearest(self, product_ids: Sequence[str], top: int) -> list[list[tuple[str, float]]]:
        """List up to `top` (product id, cosine) near every product, the best first; none for an unknown."""
        hits = self.similar(product_ids, top, None)
        found = zip(self.products(hits), hits.scores[:, 1].tolist(), strict=True)
        return [list(itertools.islice(found, count)) for count in hits.counts.tolist()]

    def named(self, ids: Sequence[str], filters: Filters | None) -> Hits:
        """Find the documents with these ids, and one for each id of a product, as far as there is one."""
        known = self._find(ids)
        allowed = {name: self._allowed(known.get(name, []), filters) for name in ids}
        keys = np.array([allowed[name][0] for name in ids if allowed[name]], np.int64)
        counts = np.array([len(allowed[name]) > 0 for name in ids], np.int32)
        return _hits(keys, np.full(len(keys), _UNKNOWN, np.float32), counts)

    def documents(self, hits: Hits) -> list[Document]:
        """Read the documents of hits."""
        found = self._documents.read(hits.keys.tolist())
        return [found[key] for key in hits.keys.tolist()]

    def products(self, hits: Hits) -> list[str]:
        """Name the products of hits, which is quicker than reading their documents."""
        found = self._documents.products(hits.keys.tolist())
        return [found[key] for key in hits.keys.tolist()]

    def tokens(self, hits: Hits) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        """Read the quantised image tokens of hits: values (n, tokens, dim) and scales (n, tokens)."""
        return self._tokens.read(hits.keys)

    def product_vectors(self) -> tuple[list[str], NDArray[np.float32]]:
        """Compute every product's unit vector, the mean over its documents: (product ids, (n, dim))."""
        found = self._documents.by_product()
        return list(found), np.stack([self._mean(keys) for keys in found.values()])

    def describe(self) -> dict[str, Any]:
        """Say how many documents there are, and the settings."""
        return {"documents": len(self), **asdict(self.settings)}

    def _by_vector(
        self, embedding: NDArray[np.float32], limit: int, filters: Filters | None
    ) -> dict[int, float]:
        keys, scores = self._vectors.search(embedding[np.newaxis], limit, filters)
        return {
            key: score for key, score in zip(keys[0].tolist(), scores[0].tolist(), strict=True) if key >= 0
        }

    def _by_text(self, text: str, limit: int, filters: Filters | None) -> tuple[list[int], dict[int, float]]:
        named = dict.fromkeys([*self._documents.by_code(text), *self._documents.by_rare_words(text)])
        exact = self._allowed(list(named)[:limit], filters)
        # Filters may take most of them away.
        ranked = dict(self._documents.by_words(text, limit if filters is None else 10 * limit))
        allowed = self._allowed(list(ranked), filters)[:limit]
        return exact, {key: ranked[key] for key in allowed}

    def _allowed(self, keys: list[int], filters: Filters | None) -> list[int]:
        if filters is None or not keys:
            return keys
        allowed = self._vectors.matches(np.array(keys, np.int64), filters)
        return [key for key, fits in zip(keys, allowed, strict=True) if fits]

    def _combine(
        self,
        dense: dict[int, float],
        exact: list[int],
        words: dict[int, float],
        embedding: NDArray[np.float32] | None,
        limit: int,
    ) -> Hits:
        keys = np.array(list(dict.fromkeys([*exact, *dense, *words])), np.int64)
        if not len(keys):
            return _no_hits()
        vectors = self._vectors.vectors(keys)
        similarity = np.full(len(keys), _UNKNOWN, np.float32) if embedding is None else vectors @ embedding
        place = {key: index for index, key in enumerate(keys.tolist())}
        rankings = [([place[key] for key in found], 1.0) for found in (dense, words) if found]
        score = reciprocal_rank_fusion(rankings, len(keys))
        score[: len(exact)] += 1
        order = np.lexsort((keys, -score))[:limit]
        lexical = np.array([words.get(key, _UNKNOWN) for key in keys.tolist()], np.float32)
        shown = self._documents.appearances(keys[order].tolist())
        products, looks = zip(*(shown[key] for key in keys[order].tolist()), strict=True)
        groups = group_variants(products, looks, self.settings.same_photo_bits)
        scores = np.stack([score, similarity, lexical], axis=1)[order]
        return Hits(keys[order], scores, np.array([len(order)], np.int32), groups)

    def _near(self, own: list[int], top: int, filters: Filters | None) -> dict[int, float]:
        (product,) = set(self._documents.products(own[:1]).values())
        mean, depth = self._mean(own), 2 * top + len(own)
        while True:
            wanted = self._by_vector(mean, depth, filters)
            products = self._documents.products(list(wanted))
            first = {products[key]: key for key in reversed(wanted) if products[key] != product}
            if len(first) >= top or len(wanted) < depth:
                near = sorted(first.values(), key=list(wanted).index)[:top]
                return {key: wanted[key] for key in near}
            # Several photos of a product take the places of others.
            depth *= 2

    def _mean(self, keys: list[int]) -> NDArray[np.float32]:
        mean = self._vectors.vectors(np.array(keys, np.int64)).mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)

    def _find(self, names: Sequence[str]) -> dict[str, list[int]]:
        by_id = {name: [key] for name, key in self._documents.keys(names).items()}
        return by_id | self._documents.of_products(names)


def _hits(keys: NDArray[np.int64], similarity: NDArray[np.float32], counts: NDArray[np.int32]) -> Hits:
    unknown = np.full(len(keys), _UNKNOWN, np.float32)
    scores = np.stack([similarity, similarity, unknown], axis=1)
    return Hits(keys, scores, counts, np.arange(len(keys), dtype=np.int32))


def _no_hits() -> Hits:
    return _hits(np.empty(0, np.int64), np.empty(0, np.float32), np.zeros(1, np.int32))
