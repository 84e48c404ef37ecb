"""Retrieval quality as clients get it: every embedding comes from the running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from trifuse.catalog import Item, read_catalog
from trifuse.client.encoding import bytes_tensor
from trifuse.systems.product.client import ProductClient
from trifuse.systems.product.quality import LANGUAGES, match_pairs, retrieval, title_of
from trifuse.training.metrics import area_under_roc

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.client import TritonClient


def measure(triton: TritonClient, manifest: Path, split: str) -> dict[str, Any]:
    """Search a split's photos with each of its distinct titles, and judge pairs of photo and title.

    `headline` are the figures that the build chain compares its stages by.
    """
    items = read_catalog(manifest, split)
    products = ProductClient(triton)
    photos = products.embed_image(item.path for item in items)
    languages, queries = retrieval(items, lambda _, titles: products.embed_text(list(titles)) @ photos.T)
    headline = {name: float(np.mean(values)) for name, values in queries.items()}
    headline["match_auc"] = _match_auc(products, items)
    return {"photos": len(items), "headline": headline, "languages": languages}


def example_inputs(manifest: Path, split: str) -> dict[str, NDArray[np.object_]]:
    """Take a photo and a title of the split, one item for every input of the ensembles."""
    item = read_catalog(manifest, split)[0]
    title = title_of(item, LANGUAGES[0]).encode()
    return {"image": bytes_tensor([item.path.read_bytes()]), "text": bytes_tensor([title])}


def _match_auc(products: ProductClient, items: list[Item]) -> float:
    pairs, labels = match_pairs(items)
    requests = (
        (items[photo].path, title_of(items[title], LANGUAGES[language])) for language, photo, title in pairs.T
    )
    scores = [match.score for match in products.match_many(requests)]
    return area_under_roc(np.array(scores), labels)


def table(report: dict[str, Any]) -> Table:
    """Show what `measure` found, beside a random, a constant and a perfect order."""
    points = ("random", "majority", "ceiling")
    rows = Table(
        "titles",
        "criterion",
        "P@10",
        *points,
        "R-precision",
        title=f"text to photo: {report['photos']} photos",
        caption=f"match AUC {report['headline']['match_auc']:.3f}",
    )
    for language, found in report["languages"].items():
        for criterion, quality in found["quality"].items():
            reference = [found["reference"][criterion][point] for point in points]
            values = [quality["p_at_10"], *reference, quality["r_precision"]]
            label = f"{language} ({found['queries']})"
            rows.add_row(label, criterion, *(f"{value:.3f}" for value in values))
    return rows
