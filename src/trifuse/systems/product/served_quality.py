"""Retrieval quality as clients get it: every embedding comes from the running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from trifuse.catalog import Item, read_catalog
from trifuse.systems.product.client import ProductClient
from trifuse.systems.product.quality import (
    CRITERIA,
    LANGUAGES,
    distinct_titles,
    reference_points,
    retrieval_quality,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from trifuse.client import TritonClient


def measure(triton: TritonClient, manifest: Path, split: str) -> dict[str, Any]:
    """Search a split's photos with each of its distinct titles, in both languages."""
    items = read_catalog(manifest, split)
    products = ProductClient(triton)
    photos = products.embed_image(item.path for item in items)
    queries = list(distinct_titles(items, LANGUAGES[0]).values())
    return {
        "photos": len(items),
        "queries": len(queries),
        "quality": {language: _search(products, items, photos, language) for language in LANGUAGES},
        "reference": reference_points(queries, items),
    }


def table(report: dict[str, Any]) -> Table:
    """Show what `measure` found, beside a random, a constant and a perfect order."""
    title = f"text to photo: {report['queries']} titles, {report['photos']} photos"
    points = ("random", "majority", "ceiling")
    rows = Table("criterion", "figure", *LANGUAGES, *points, title=title)
    for criterion in CRITERIA:
        for figure, name in (("p_at_10", "P@10"), ("r_precision", "R-precision")):
            values = [report["quality"][language][criterion][figure] for language in LANGUAGES]
            if figure == "p_at_10":
                values += [report["reference"][criterion][point] for point in points]
            rows.add_row(criterion, name, *(f"{value:.3f}" for value in values))
    return rows


def _search(
    products: ProductClient, items: list[Item], photos: NDArray[np.float32], language: str
) -> dict[str, dict[str, float]]:
    queries = distinct_titles(items, language)
    similarity = products.embed_text(list(queries)) @ photos.T
    return retrieval_quality(similarity, list(queries.values()), items)
