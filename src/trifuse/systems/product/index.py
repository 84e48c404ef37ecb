"""The product index as a Triton service: candidates for a query, and neighbours of products."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.errors import InputError
from trifuse.preprocessing.text import decode_text
from trifuse.retrieval.filters import Filters
from trifuse.retrieval.index import CatalogueIndex
from trifuse.retrieval.options import SearchOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract
    from trifuse.retrieval.documents import Document
    from trifuse.retrieval.index import Hits

MOST_JSON_BYTES = 64 * 1024
MOST_IDS = 1000


class Service:
    """Answers by `embedding` and/or `text` with candidates, or by `ids` with what is similar to each.

    With `ids` and 0 as `top`, the documents themselves are the answer.
    """

    def __init__(self, contract: SystemContract, folder: Path, _: Callable[..., Any]) -> None:
        self._index = CatalogueIndex.load(folder)
        self._version = int(folder.name)
        self._settings = texts([json.dumps(self._index.describe())])
        self._most_text_bytes = int(str(contract.settings["max_text_bytes"]))

    def __call__(
        self, inputs: Mapping[str, NDArray[Any]], outputs: Collection[str]
    ) -> dict[str, NDArray[np.generic]]:
        """Compute the named outputs. Raises InputError."""
        options = read_options(inputs)
        filters = read_filters(inputs)
        text = read_text(inputs, self._most_text_bytes)
        if "ids" in inputs:
            ids = [value.decode("utf-8", "replace") for value in inputs["ids"]]
            if len(ids) > MOST_IDS:
                raise InputError("these are too many ids", got=len(ids), expected=f"at most {MOST_IDS}")
            hits = (
                self._index.similar(ids, options.top, filters)
                if options.top
                else self._index.named(ids, filters)
            )
        else:
            hits = self._index.search(inputs.get("embedding"), text, filters, options)
        return self._tensors(hits, outputs)

    def _tensors(self, hits: Hits, outputs: Collection[str]) -> dict[str, NDArray[np.generic]]:
        score, similarity, lexical = hits.scores.T
        unknown = np.full(len(score), np.nan, np.float32)
        found: dict[str, NDArray[np.generic]] = {
            "scores": np.stack([score, similarity, unknown, lexical], axis=1),
            "groups": hits.groups,
            "count": hits.counts,
            "index_version": np.array([self._version], np.int64),
            "settings": self._settings,
        }
        if "products" in outputs:
            found["products"] = texts(self._index.products(hits))
        if not {"ids", "documents"}.isdisjoint(outputs):
            documents = self._index.documents(hits)
            found["ids"] = texts(document.id for document in documents)
            found["documents"] = texts(map(_json, documents))
        if not {"image_tokens", "token_scales"}.isdisjoint(outputs):
            found["image_tokens"], found["token_scales"] = self._index.tokens(hits)
        return found


def read_options(inputs: Mapping[str, NDArray[Any]]) -> SearchOptions:
    """Read a request's `options`. Raises InputError."""
    return (
        SearchOptions.parse(read_input(inputs, "options", MOST_JSON_BYTES))
        if "options" in inputs
        else SearchOptions()
    )


def read_filters(inputs: Mapping[str, NDArray[Any]]) -> Filters | None:
    """Read a request's `filters`. Raises InputError."""
    return Filters.parse(read_input(inputs, "filters", MOST_JSON_BYTES)) if "filters" in inputs else None


def read_text(inputs: Mapping[str, NDArray[Any]], most_bytes: int) -> str | None:
    """Read a request's `text`. Raises InputError."""
    return read_input(inputs, "text", most_bytes) if "text" in inputs else None


def texts(values: Any) -> NDArray[np.object_]:
    """Put texts into a BYTES tensor (n,)."""
    encoded = [value.encode() for value in values]
    tensor = np.empty(len(encoded), np.object_)
    tensor[:] = encoded
    return tensor


def read_input(inputs: Mapping[str, NDArray[Any]], name: str, most_bytes: int) -> str:
    """Read the text of an input that was given. Raises InputError."""
    try:
        return decode_text(inputs[name][0], most_bytes)
    except InputError as error:
        raise InputError(
            f"input '{name}': {error.problem}", got=error.got, expected=error.expected
        ) from error


def _json(document: Document) -> str:
    return json.dumps({"id": document.id, "product": document.product, **document.data}, ensure_ascii=False)
