"""Marqo-GS-10M: products of Google Shopping with the queries that they answer, and how well.

Layout: https://github.com/marqo-ai/GCL ("Dataset Structure"); the columns are those that its scripts and
https://huggingface.co/datasets/Marqo/marqo-GS-10M name: query, product_id, position, title, image_local,
score_linear and others. A CSV is named after its half of the queries (0: training, 1: new ones) and of the
products; the halves of the products are the splits. FOLDER is one subset, such as `marqo_gs_wfash_1m`; its
photos lie in a folder `images...` inside or beside it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse.artifacts import new_file
from trifuse.importing.rows import clean, new_row
from trifuse.importing.tables import csv_rows
from trifuse.systems.product.importers.shared.photos import with_photos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trifuse.importing.job import Job
    from trifuse.importing.rows import Row

LAYOUT = tuple(f"query_{query}_product_id_{product}.csv" for product in (0, 1) for query in (0, 1))

_SPLITS = ("train", "validation")
_COLUMNS = ("query", "product_id", "title", "image_local", "score_linear")


def rows(job: Job) -> Iterator[Row]:
    """Yield one row a product, then write how well each answers which query to `queries.jsonl`."""
    catalogued = set()
    for row in with_photos(job, _products(job)):
        catalogued.add(row["product_id"])
        yield row
    _write_queries(job, catalogued)


def _products(job: Job) -> Iterator[tuple[Path, Row]]:
    """Yield each product where it first occurs: there is a line for every query that it answers."""
    folders = [job.folder, *_image_folders(job.folder), *_image_folders(job.folder.parent)]
    in_training: set[str] = set()
    for half, split in enumerate(_SPLITS):
        seen: set[str] = set()
        for line in _lines(job, half):
            identity = clean(line["product_id"])
            if identity in seen:
                continue
            seen.add(identity)
            if identity in in_training:
                job.leave_out("a product that is in the training half too", identity)
            elif not (identity and line["title"].strip() and line["image_local"].strip()):
                job.leave_out("a product without an id, a title or a photo's name", identity)
            else:
                row = new_row(id=identity, title_en=line["title"], split=split, product_id=identity)
                yield _photo(folders, line["image_local"].strip()), row
        in_training = seen


def _lines(job: Job, half: int) -> Iterator[dict[str, str]]:
    for query in (0, 1):
        yield from csv_rows(job, job.folder / f"query_{query}_product_id_{half}.csv", _COLUMNS)


def _image_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("images*") if path.is_dir())


def _photo(folders: list[Path], name: str) -> Path:
    """Find a photo: people keep the paths of the CSV or unpack all photos into one folder."""
    places = [folder / written for folder in folders for written in (name, Path(name).name)]
    return next((place for place in places if place.is_file()), places[-1])


def _write_queries(job: Job, catalogued: set[str]) -> None:
    """Write a line for each judged pair: query, product_id, relevance, and the split of the query."""
    with new_file(job.output / "queries.jsonl") as file:
        for query, split in enumerate(_SPLITS):
            for half in (0, 1):
                table = job.folder / f"query_{query}_product_id_{half}.csv"
                for line in csv_rows(job.again(), table, _COLUMNS):
                    if judged := _judgement(job, line, catalogued):
                        file.write(json.dumps(judged | {"split": split}, ensure_ascii=False) + "\n")


def _judgement(job: Job, line: dict[str, str], catalogued: set[str]) -> dict[str, str | float] | None:
    query, product, relevance = clean(line["query"]), clean(line["product_id"]), _number(line["score_linear"])
    if product not in catalogued:
        job.leave_out("a judgement about a product that is not in the catalogue", product)
    elif not query or relevance is None:
        job.leave_out("a judgement without a query or a score", f"{query!r}, {line['score_linear']!r}")
    else:
        return {"query": query, "product_id": product, "relevance": relevance}
    return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
