"""Tiny data sets in the formats in which product data are published, and what was imported from them."""

from __future__ import annotations

import base64
import csv
import functools
import gzip
import io
import itertools
import json

from PIL import Image

from trifuse.catalog import read_catalog
from trifuse.importing import import_data

import_catalog = functools.partial(import_data, "product")


def photo(shade=0, kind="JPEG", size=(24, 32)):
    """Encode a photo; another shade gives other bytes."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize(size).point(lambda v: (v + shade) % 256).convert("RGB").save(file, kind)
    return file.getvalue()


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def table(rows, encoding="utf-8", quoting=csv.QUOTE_MINIMAL):
    file = io.StringIO()
    csv.writer(file, quoting=quoting, lineterminator="\n").writerows(rows)
    return file.getvalue().encode(encoding)


def json_lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


HM_COLUMNS = [
    *(
        "article_id",
        "product_code",
        "prod_name",
        "product_type_no",
        "product_type_name",
        "product_group_name",
    ),
    *("graphical_appearance_no", "graphical_appearance_name", "colour_group_code", "colour_group_name"),
    *("perceived_colour_value_id", "perceived_colour_value_name", "perceived_colour_master_id"),
    *("perceived_colour_master_name", "department_no", "department_name", "index_code", "index_name"),
    *("index_group_no", "index_group_name", "section_no", "section_name", "garment_group_no"),
    *("garment_group_name", "detail_desc"),
]


def article(identity, name="Strap top", colour="Black", kind="Vest top", description=""):
    cells = dict.fromkeys(HM_COLUMNS, "1") | {
        "article_id": identity,
        "product_code": identity.lstrip("0")[:-3],
        "prod_name": name,
        "product_type_name": kind,
        "product_group_name": "Garment Upper body",
        "graphical_appearance_name": "Solid",
        "colour_group_name": colour,
        "index_group_name": "Ladieswear",
        "garment_group_name": "Jersey Basic",
        "detail_desc": description,
    }
    return list(cells.values())


def hm(folder, articles, transactions=(), without_photo=()):
    put(folder / "articles.csv", table([HM_COLUMNS, *articles], encoding="utf-8-sig"))
    put(folder / "customers.csv", "customer_id,FN,Active,club_member_status,fashion_news_frequency,age\n")
    header = ["t_dat", "customer_id", "article_id", "price", "sales_channel_id"]
    put(folder / "transactions_train.csv", table([header, *transactions]))
    (folder / "images").mkdir()
    for shade, row in enumerate(articles):
        identity = row[0].zfill(10)
        if identity not in without_photo:
            put(folder / f"images/{identity[:3]}/{identity}.jpg", photo(shade))
    return folder


def named(**names):
    return [{"language_tag": tag, "value": value} for tag, value in names.items()]


def listing(identity, names, main="", others=(), **more):
    row = {"item_id": identity, "item_name": names, "domain_name": "amazon.com", "country": "US", **more}
    row["product_type"] = [{"value": "CELLULAR_PHONE_CASE"}]
    return row | ({"main_image_id": main} if main else {}) | ({"other_image_id": others} if others else {})


def abo(folder, *shards, size="small", missing=()):
    for number, shard in enumerate(shards):
        put(
            folder / f"listings/metadata/listings_{number:x}.json.gz",
            gzip.compress(json_lines(shard).encode()),
        )
    found = [
        image
        for row in itertools.chain(*shards)
        for image in (row.get("main_image_id"), *row.get("other_image_id", ()))
        if image
    ]
    images = [name for name in dict.fromkeys(found) if name not in missing]
    rows = [[name, 32, 24, f"{name[:2].lower()}/{name}.jpg"] for name in images]
    index = table([["image_id", "height", "width", "path"], *rows])
    put(folder / "images/metadata/images.csv.gz", gzip.compress(index))
    for shade, (_, _, _, path) in enumerate(rows):
        put(folder / f"images/{size}/{path}", photo(shade))
    return folder


def muge(folder, train, valid):
    """Write both splits: each is (id -> photo, rows of the texts)."""
    for name, (photos, texts) in {"train": train, "valid": valid}.items():
        put(
            folder / f"{name}_imgs.tsv",
            "".join(f"{image}\t{base64.b64encode(data).decode()}\n" for image, data in photos.items()),
        )
        put(folder / f"{name}_texts.jsonl", json_lines(texts))
    return folder


def words(text_id, text, *images):
    return {"text_id": text_id, "text": text, "image_ids": list(images)}


GS_COLUMNS = [
    "query",
    "product_id",
    "position",
    "title",
    "pair_id",
    "image_local",
    "score_linear",
    "query_id",
]


def judged(query, product, title, image, score):
    return [query, product, 101 - score, title, f"{query}-{product}", image, score, 1]


def marqo_gs(folder, halves, images="../images_wfash"):
    """Write the four tables from (query half, product half) -> rows, and the photos that they name."""
    for query in (0, 1):
        for product in (0, 1):
            rows = [GS_COLUMNS, *halves.get((query, product), [])]
            path = folder / f"query_{query}_product_id_{product}.csv"
            put(path, table(rows, quoting=csv.QUOTE_ALL))
    names = {row[5] for rows in halves.values() for row in rows if row[5]}
    for shade, name in enumerate(sorted(names)):
        put(folder / images / name, photo(shade, "WEBP"))
    return folder


def by_id(imported):
    return {item.id: item for item in read_catalog(imported.manifest)}
