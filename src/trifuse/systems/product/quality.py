"""How well texts find photos: precision of every attribute, beside random, majority and the ceiling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.training.metrics import average_precision, precision_at, r_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from trifuse.catalog import Item

K = 10
LANGUAGES = ("zh", "en")
_COMPARED = ("category_p_at_10", "both_p_at_10")
# A second colour that the photo also shows counts as a hit.
_ALTERNATIVES = {"colour": "colour_alt"}


def distinct_titles(items: Sequence[Item], language: str) -> dict[str, Item]:
    """Map every distinct title of a language to the first item that bears it: the queries."""
    queries: dict[str, Item] = {}
    for item in items:
        title = item.title_zh if language == "zh" else item.title_en
        if title:
            queries.setdefault(title, item)
    return queries


def relevance(queries: Sequence[Item], items: Sequence[Item]) -> dict[str, NDArray[np.bool_]]:
    """Tell for each criterion that the catalogue knows which items answer which query, (queries, items)."""
    found = {
        name: _agree(queries, items, name)
        for name in ("category", "colour")
        if all(item.values(name) for item in items)
    }
    return found | ({"both": found["category"] & found["colour"]} if len(found) == 2 else {})


def retrieval(
    items: Sequence[Item], similarity_of: Callable[[str, Mapping[str, Item]], NDArray[np.floating]]
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Search items with each distinct title, in every language that they have.

    `similarity_of` a language and its titles, each with the first item that bears it, is (titles, items).
    Returns every language's report, and the values of all queries for each figure that stages compare.
    """
    report, values = {}, []
    for language in LANGUAGES:
        titles = distinct_titles(items, language)
        if titles:
            similarity, queries = similarity_of(language, titles), list(titles.values())
            report[language] = language_report(similarity, queries, items)
            values.append(query_values(similarity, queries, items))
    compared = [name for name in _COMPARED if values and all(name in found for found in values)]
    return report, {name: [value for found in values for value in found[name]] for name in compared}


def language_report(
    similarity: NDArray[np.floating], queries: Sequence[Item], items: Sequence[Item]
) -> dict[str, Any]:
    """Report a language's queries: their number, the quality of their ranking, and its reference points."""
    return {
        "queries": len(queries),
        "quality": retrieval_quality(similarity, queries, items),
        "reference": reference_points(queries, items),
    }


def retrieval_quality(
    similarity: NDArray[np.floating], queries: Sequence[Item], items: Sequence[Item]
) -> dict[str, dict[str, float]]:
    """Measure a ranking by `similarity` (queries, items): P@10, R-precision and mAP for each criterion."""
    order = np.argsort(-similarity, axis=1, kind="stable")
    report = {}
    for name, relevant in relevance(queries, items).items():
        ranked = np.take_along_axis(relevant, order, axis=1)
        report[name] = {
            "p_at_10": float(precision_at(ranked, K).mean()),
            "r_precision": float(r_precision(ranked).mean()),
            "map": float(average_precision(ranked).mean()),
        }
    return report


def item_keys(items: Sequence[Item]) -> NDArray[np.int64]:
    """Number products, Chinese titles and English titles, (items, 3); word order does not count.

    Two items with an equal number in any column belong together.
    """
    columns = [
        [product_of(item) for item in items],
        ["".join(sorted(title_of(item, "zh"))) for item in items],
        [" ".join(sorted(title_of(item, "en").lower().split())) for item in items],
    ]
    return np.stack([np.unique(column, return_inverse=True)[1] for column in columns], axis=1)


def product_of(item: Item) -> str:
    """Name the product that an item shows."""
    return next(iter(item.values("product_id")), item.id)


def title_of(item: Item, language: str) -> str:
    """Choose an item's title in a language, or in the other one where it has none."""
    return (item.title_zh or item.title_en) if language == "zh" else (item.title_en or item.title_zh)


def match_pairs(items: Sequence[Item]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """List pairs to judge: every item with its own title and with a wrong one, in every language.

    Returns (language, item, item of the title) as (3, pairs), and whether they match.
    """
    keys, generator = item_keys(items), np.random.default_rng(0)
    own = np.arange(len(items))
    pairs = []
    for language in range(len(LANGUAGES)):
        wrong = np.array([generator.choice(np.flatnonzero((keys != key).all(axis=1))) for key in keys])
        pairs += [(np.full(len(items), language), own, titles) for titles in (own, wrong)]
    labels = np.repeat([True, False] * len(LANGUAGES), len(items))
    return np.concatenate([np.stack(pair) for pair in pairs], axis=1), labels


def query_values(
    similarity: NDArray[np.floating], queries: Sequence[Item], items: Sequence[Item]
) -> dict[str, list[float]]:
    """List P@10 of every query for each criterion: what paired comparisons of models need."""
    order = np.argsort(-similarity, axis=1, kind="stable")
    return {
        f"{name}_p_at_10": precision_at(np.take_along_axis(relevant, order, axis=1), K).tolist()
        for name, relevant in relevance(queries, items).items()
    }


def reference_points(queries: Sequence[Item], items: Sequence[Item]) -> dict[str, dict[str, float]]:
    """Compute P@10 of a random order, of the best constant order, and of a perfect order."""
    report = {}
    for name, relevant in relevance(queries, items).items():
        best_constant = np.argsort(-relevant.sum(axis=0), kind="stable")
        report[name] = {
            "random": float(relevant.mean() * min(len(items), K) / K),
            "majority": float(precision_at(relevant[:, best_constant], K).mean()),
            "ceiling": float((np.minimum(relevant.sum(axis=1), K) / K).mean()),
        }
    return report


def _agree(queries: Sequence[Item], items: Sequence[Item], attribute: str) -> NDArray[np.bool_]:
    accepted = [
        set(item.values(attribute)) | set(item.values(_ALTERNATIVES.get(attribute, ""))) for item in items
    ]
    wanted = [next(iter(query.values(attribute)), None) for query in queries]
    return np.array([[value in values for values in accepted] for value in wanted], dtype=np.bool_)
