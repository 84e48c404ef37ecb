"""H&M Personalized Fashion Recommendations: articles with photos, and two years of purchases.

Layout: https://www.kaggle.com/competitions/h-and-m-personalized-fashion-recommendations/data. The photo of
article 0108775015 is images/010/0108775015.jpg; some articles have none. Tools that read the ids as numbers
drop their leading zeros; here they always have ten digits.
"""

from __future__ import annotations

import csv
from datetime import date
from typing import TYPE_CHECKING

from trifuse.artifacts import new_file
from trifuse.importing.rows import new_row, split_of
from trifuse.importing.tables import csv_rows
from trifuse.retrieval.transactions import HEADER
from trifuse.systems.product.importers.shared.photos import with_photos

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trifuse.importing.job import Job
    from trifuse.importing.rows import Row

LAYOUT = ("articles.csv", "transactions_train.csv", "images")

_ID_DIGITS, _COLOUR_DIGITS = 10, 3
_ATTRIBUTES = {
    "category": "product_type_name",
    "colour": "colour_group_name",
    "pattern": "graphical_appearance_name",
    "product_group": "product_group_name",
    "garment_group": "garment_group_name",
    "department": "index_group_name",
}
_NO_VALUE = ("unknown", "undefined")


def rows(job: Job) -> Iterator[Row]:
    """Yield one row an article, then write their purchases to `transactions.csv`."""
    catalogued = set()
    for row in with_photos(job, _articles(job)):
        catalogued.add(row["product_id"])
        yield row
    _write_transactions(job, catalogued)


def _articles(job: Job) -> Iterator[tuple[Path, Row]]:
    seen = set()
    columns = ("article_id", "product_code", "prod_name", "detail_desc", *_ATTRIBUTES.values())
    for article in csv_rows(job, job.folder / "articles.csv", columns):
        identity = _article_id(article["article_id"])
        if not identity:
            job.leave_out("an article without a proper id", repr(article["article_id"]))
        elif identity in seen:
            job.leave_out("an article that is listed twice", identity)
        elif not article["prod_name"].strip():
            job.leave_out("an article without a name", identity)
        else:
            seen.add(identity)
            yield job.folder / "images" / identity[:3] / f"{identity}.jpg", _row(identity, article)


def _row(identity: str, article: dict[str, str]) -> Row:
    """Make an article's row; the colours of one product have its code in common, and so their split."""
    attributes = {name: article[column].lower() for name, column in _ATTRIBUTES.items()}
    return new_row(
        id=identity,
        title_en=article["prod_name"],
        split=split_of(article["product_code"].strip().lstrip("0") or identity[:-_COLOUR_DIGITS].lstrip("0")),
        product_id=identity,
        product_code=article["product_code"],
        description=article["detail_desc"],
        **{name: value for name, value in attributes.items() if value.strip() not in _NO_VALUE},
    )


def _article_id(text: str) -> str | None:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS):
        return None
    return text.zfill(_ID_DIGITS)


def _write_transactions(job: Job, catalogued: set[str]) -> None:
    columns = ("t_dat", "customer_id", "article_id")
    with new_file(job.output / "transactions.csv") as file:
        write = csv.writer(file, lineterminator="\n").writerow
        write(HEADER)
        for purchase in csv_rows(job, job.folder / "transactions_train.csv", columns):
            identity = _article_id(purchase["article_id"])
            if identity not in catalogued:
                job.leave_out("a purchase of an article that is not in the catalogue", purchase["article_id"])
            elif not purchase["customer_id"] or not _is_date(purchase["t_dat"]):
                job.leave_out("a purchase without a customer or a date", list(purchase.values()))
            else:
                write((purchase["t_dat"], purchase["customer_id"], identity))


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
