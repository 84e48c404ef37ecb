"""Search a catalogue's photos with a text or with a photo, and draw the best as a contact sheet."""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track
from rich.table import Table

from trifuse.artifacts import digest, stage_folder
from trifuse.catalog import Item, read_catalog
from trifuse.client.command_line import Report, add_common_options, connect, positive, run
from trifuse.client.contact_sheet import Entry, write_contact_sheet
from trifuse.client.embedding_store import CHUNK, embed_items, load_embeddings, nearest, store_embeddings
from trifuse.command_line import print_error
from trifuse.systems.product.client import EMBEDDING_MODELS, ProductClient, canary_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from trifuse.client import TritonClient

FOLDER = stage_folder(Path("artifacts"), "product", "search")


@dataclass(frozen=True)
class Hit:
    """One result of a search, `rank` from 1 on."""

    rank: int
    score: float
    item: Item


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    query = parser.add_mutually_exclusive_group(required=True)
    query.add_argument("text", nargs="?", metavar="TEXT", help="what to look for, Chinese or English")
    query.add_argument("--image", type=Path, metavar="FILE", help="look for products like this photo")
    parser.add_argument("--catalog", type=Path, required=True, help="the catalogue's manifest (JSON Lines)")
    parser.add_argument("--split", help="search only this split of the catalogue")
    parser.add_argument(
        "--top", type=positive(int), default=10, help="number of results (default: %(default)s)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=FOLDER / "contact_sheet.png",
        help="the PNG to write (default: %(default)s)",
    )
    add_common_options(parser)
    return run(parser, search)


def search(options: argparse.Namespace) -> Report:
    """Embed the query and the photos, rank the photos, and report the best."""
    items = {item.id: item for item in read_catalog(options.catalog, options.split)}
    with connect(options) as triton:
        products = ProductClient(triton)
        query = embed_query(products, options)
        embeddings = embed_catalog(triton, products, options.catalog, list(items.values()))
    ranked = enumerate(nearest(query[0], embeddings, options.top), 1)
    hits = [Hit(rank, score, items[item_id]) for rank, (item_id, score) in ranked]
    heading = options.text if options.image is None else str(options.image)
    entries = [Entry(hit.item.path, hit.score, (hit.item.title_zh, hit.item.title_en)) for hit in hits]
    write_contact_sheet(options.output, entries, heading)
    data = {"query": heading, "contact_sheet": str(options.output), "searched": len(embeddings)}
    return Report(data | {"results": [_row(hit) for hit in hits]}, _table(heading, hits, options.output))


def embed_query(products: ProductClient, options: argparse.Namespace) -> NDArray[np.float32]:
    """Embed the text or the photo that is looked for, (1, 256)."""
    if options.image is None:
        return products.embed_text([options.text])
    return products.embed_image([options.image])


def embed_catalog(
    triton: TritonClient, products: ProductClient, manifest: Path, items: Sequence[Item]
) -> dict[str, NDArray[np.float32]]:
    """Embed the photos that no earlier search has embedded, and keep them for the next."""
    store = _store(triton, products, manifest)
    known = load_embeddings(store)
    new = [item for item in items if item.id not in known]
    try:
        parts = embed_items(
            new, products.embed_image, skip=lambda item, error: print_error(error, f"skipped {item.id}")
        )
        for part in track(
            parts, "photos", total=-(-len(new) // CHUNK), console=Console(stderr=True), disable=not new
        ):
            known |= part
    finally:
        if new:
            store_embeddings(store, known)
    return {item.id: known[item.id] for item in items if item.id in known}


def _store(triton: TritonClient, products: ProductClient, manifest: Path) -> Path:
    version = triton.metadata(EMBEDDING_MODELS["image"]).version
    # Another server may serve other weights under the same version: one embedding tells them apart.
    canary = products.embed_image([canary_inputs()["image"][0, 0]])
    key = hashlib.sha256(digest(manifest).encode() + canary.tobytes()).hexdigest()[:16]
    return FOLDER / f"embeddings-v{version}-{key}.npz"


def _row(hit: Hit) -> dict[str, object]:
    item = hit.item
    titles = {"title_zh": item.title_zh, "title_en": item.title_en}
    return {"rank": hit.rank, "score": hit.score, "id": item.id, **titles, "path": str(item.path)} | {
        "attributes": item.attributes
    }


def _table(heading: str, hits: Sequence[Hit], sheet: Path) -> Table:
    table = Table("rank", "score", "id", "title", title=heading, caption=f"contact sheet: {sheet}")
    table.add_column("path", overflow="fold")
    for hit in hits:
        title = "\n".join(filter(None, (hit.item.title_zh, hit.item.title_en)))
        table.add_row(str(hit.rank), f"{hit.score:.3f}", hit.item.id, title, str(hit.item.path))
    return table


if __name__ == "__main__":
    sys.exit(main())
