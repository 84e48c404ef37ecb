"""Measure retrieval quality through a running server: `python benchmarks/quality.py --data FOLDER`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from trifuse.artifacts import digest
from trifuse.catalog import Item, read_catalog
from trifuse.client.command_line import Report, add_common_options, connect, run
from trifuse.systems.product.client import ProductClient
from trifuse.systems.product.quality import CRITERIA, distinct_titles, reference_points, retrieval_quality

if TYPE_CHECKING:
    import numpy as np

LANGUAGES = ("zh", "en")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="the catalogue's manifest.jsonl, or its folder"
    )
    parser.add_argument("--split", default="validation", help="default: %(default)s")
    add_common_options(parser)
    return run(parser, measure)


def measure(options: argparse.Namespace) -> Report:
    """Search the split's photos with each of its distinct titles, in both languages."""
    manifest = options.data / "manifest.jsonl" if options.data.is_dir() else options.data
    items = read_catalog(manifest, options.split)
    with connect(options) as triton:
        products = ProductClient(triton)
        photos = products.embed_image([item.path for item in items])
        languages = {language: _search(products, items, photos, language) for language in LANGUAGES}
    queries = list(distinct_titles(items, LANGUAGES[0]).values())
    data: dict[str, Any] = {
        "data": digest(manifest),
        "split": options.split,
        "photos": len(items),
        "queries": len(queries),
        "quality": languages,
        "reference": reference_points(queries, items),
    }
    return Report(data, _table(data))


def _search(
    products: ProductClient, items: list[Item], photos: np.ndarray[Any, np.dtype[np.float32]], language: str
) -> dict[str, dict[str, float]]:
    queries = distinct_titles(items, language)
    similarity = products.embed_text(list(queries)) @ photos.T
    return retrieval_quality(similarity, list(queries.values()), items)


def _table(data: dict[str, Any]) -> Table:
    title = f"text to photo on {data['split']}: {data['queries']} titles, {data['photos']} photos"
    table = Table("criterion", "figure", *LANGUAGES, "random", "majority", "ceiling", title=title)
    for criterion in CRITERIA:
        reference = data["reference"][criterion]
        for figure, name in (("p_at_10", "P@10"), ("r_precision", "R-precision")):
            values = [f"{data['quality'][language][criterion][figure]:.3f}" for language in LANGUAGES]
            points = [f"{reference[point]:.3f}" for point in ("random", "majority", "ceiling")]
            table.add_row(criterion, name, *values, *(points if figure == "p_at_10" else ("", "", "")))
    return table


if __name__ == "__main__":
    sys.exit(main())
