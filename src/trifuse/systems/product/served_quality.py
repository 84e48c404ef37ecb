"""Retrieval quality as clients get it: every embedding comes from the running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from trifuse.catalog import read_catalog
from trifuse.systems.product.client import ProductClient
from trifuse.systems.product.quality import LANGUAGES, distinct_titles, language_report

if TYPE_CHECKING:
    from pathlib import Path

    from trifuse.client import TritonClient


def measure(triton: TritonClient, manifest: Path, split: str) -> dict[str, Any]:
    """Search a split's photos with each of its distinct titles, in every language that it has."""
    items = read_catalog(manifest, split)
    products = ProductClient(triton)
    photos = products.embed_image(item.path for item in items)
    languages = {}
    for language in LANGUAGES:
        queries = distinct_titles(items, language)
        if queries:
            similarity = products.embed_text(list(queries)) @ photos.T
            languages[language] = language_report(similarity, list(queries.values()), items)
    return {"photos": len(items), "languages": languages}


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
    )
    for language, found in report["languages"].items():
        for criterion, quality in found["quality"].items():
            reference = [found["reference"][criterion][point] for point in points]
            values = [quality["p_at_10"], *reference, quality["r_precision"]]
            label = f"{language} ({found['queries']})"
            rows.add_row(label, criterion, *(f"{value:.3f}" for value in values))
    return rows
