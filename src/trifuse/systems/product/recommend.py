"""Recommendations as a Triton service: statistics of purchases, and what looks alike in the product index."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.errors import InputError
from trifuse.retrieval.evidence import Purchase
from trifuse.retrieval.json_input import read_json
from trifuse.retrieval.recommender import MODEL, PARTS, Recommendation, Recommender
from trifuse.systems.product.index import MOST_IDS, MOST_JSON_BYTES, read_input, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract

_MOST = 100
_MOST_PURCHASES = 100
# Recommended products may have left the catalogue, or not pass the filters.
_SPARE = 3


@dataclass(frozen=True)
class _Options:
    top: int
    now: str | None
    exclude: tuple[str, ...]

    @classmethod
    def parse(cls, values: Any) -> _Options:
        known: dict[str, Any] = {"top": 10, "now": None, "exclude": []}
        if not isinstance(values, dict) or not values.keys() <= known.keys():
            raise InputError(
                "these are no options", got=str(values)[:80], expected=f"some of {', '.join(known)}"
            )
        top, now, exclude = (known | values).values()
        if isinstance(top, bool) or not isinstance(top, int) or not 1 <= top <= _MOST:
            raise InputError("the option 'top' has a bad value", got=top, expected=f"1 to {_MOST}")
        if not isinstance(exclude, list):
            raise InputError(
                "the option 'exclude' has a bad value", got=exclude, expected="a list of products"
            )
        return cls(top, now, tuple(map(str, exclude)))


class Service:
    """Recommends for `history`, a JSON list of {"product_id", "time"}; an empty one gets what sells best."""

    def __init__(self, _: SystemContract, folder: Path, call: Callable[..., dict[str, NDArray[Any]]]) -> None:
        self._recommender = Recommender.load(folder / MODEL)
        self._call = call

    def __call__(
        self, inputs: Mapping[str, NDArray[Any]], _: Collection[str]
    ) -> dict[str, NDArray[np.generic]]:
        """Compute all outputs. Raises InputError."""
        options = _Options.parse(_read(inputs, "options", {}))
        history = _history(_read(inputs, "history", []))
        ranked = options.top * _SPARE
        while True:
            found = self._recommender.recommend(
                history, ranked, nearest=self._nearest, now=options.now, exclude=options.exclude
            )
            documents = self._documents([item.product_id for item in found.items], inputs)
            shown = [item for item in found.items if item.product_id in documents][: options.top]
            if len(shown) == options.top or len(found.items) < ranked or ranked * _SPARE > MOST_IDS:
                break
            ranked *= _SPARE
        return {
            "ids": texts(item.product_id for item in shown),
            "scores": _scores(shown),
            "reasons": texts(item.reason for item in shown),
            "documents": texts(documents[item.product_id] for item in shown),
            "unknown": texts(found.unknown),
        }

    def _nearest(self, product_ids: Sequence[str], top: int) -> list[list[tuple[str, float]]]:
        inputs = {"ids": texts(product_ids), "options": texts([json.dumps({"top": top})])}
        found = self._call("index", inputs, ["products", "scores", "count"])
        names = [name.decode() for name in found["products"]]
        pairs = list(zip(names, found["scores"][:, 1].tolist(), strict=True))
        ends = np.cumsum(found["count"])
        return [pairs[end - count : end] for end, count in zip(ends, found["count"], strict=True)]

    def _documents(self, product_ids: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> dict[str, str]:
        """Read the products that the index has and the filters allow."""
        asked = {"ids": texts(product_ids), "options": texts(['{"top": 0}'])}
        if "filters" in inputs:
            asked["filters"] = inputs["filters"]
        found = self._call("index", asked, ["products", "documents"])
        return {
            name.decode(): document.decode()
            for name, document in zip(found["products"], found["documents"], strict=True)
        }


def _read(inputs: Mapping[str, NDArray[Any]], name: str, default: Any) -> Any:
    if name not in inputs:
        return default
    return read_json(read_input(inputs, name, MOST_JSON_BYTES), name)


def _history(values: Any) -> list[Purchase]:
    try:
        purchases = [Purchase(str(row["product_id"]), str(row["time"])) for row in values]
        # The last ones say most, and every purchase is a search.
        return sorted(purchases, key=lambda purchase: purchase.time)[-_MOST_PURCHASES:]
    except (TypeError, KeyError) as error:
        raise InputError(
            "the history is not a list of purchases",
            got=str(values)[:80],
            expected='such as [{"product_id": "p1", "time": "2026-01-31"}]',
        ) from error


def _scores(items: Sequence[Recommendation]) -> NDArray[np.float32]:
    rows = [[item.score, *(item.parts[part] for part in PARTS)] for item in items]
    return np.array(rows, np.float32).reshape(len(items), 1 + len(PARTS))
