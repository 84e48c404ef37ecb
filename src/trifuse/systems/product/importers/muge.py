"""MUGE multimodal retrieval: photos from Taobao and the Chinese texts that fit them.

Layout: https://github.com/OFA-Sys/Chinese-CLIP ("Data Preprocessing"): `{train,valid}_imgs.tsv` has the ids
of images and their base64, `{train,valid}_texts.jsonl` texts and the ids of their images. The published
splits are kept. A photo is a product here, and every text that fits it is a row.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

from trifuse.artifacts import write_file
from trifuse.importing.rows import clean, new_row
from trifuse.importing.tables import json_lines, lines
from trifuse.systems.product.importers.shared.photos import damage, located

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trifuse.importing.job import Job
    from trifuse.importing.rows import Row

LAYOUT = ("train_imgs.tsv", "train_texts.jsonl", "valid_imgs.tsv", "valid_texts.jsonl")

_SPLITS = {"train": "train", "valid": "validation"}
_ENDINGS = {b"\xff\xd8": "jpg", b"\x89P": "png", b"RI": "webp"}
# Chinese-CLIP reads both alphabets of base64.
_URL_SAFE = str.maketrans("-_", "+/")

_Titles = dict[str, dict[str, str]]


def rows(job: Job) -> Iterator[Row]:
    """Write the photos to `images/` and yield a row for every text of each."""
    for leftover in (job.output / "images").glob(".[0-9]*.*.*"):
        leftover.unlink()
    photos: dict[bytes, str] = {}
    seen: set[str] = set()
    for name, split in _SPLITS.items():
        titles = _titles(job, name)
        for image, data in _photos(job, name, titles, seen):
            # The digest, not the bytes: of a quarter of a million photos only the digests fit in memory.
            if photos.setdefault(hashlib.blake2b(data, digest_size=16).digest(), split) == split:
                yield from _rows(job, image, data, titles.pop(image), split)
            else:
                job.leave_out("a photo that is in the training split too", image)
                del titles[image]
        for image in titles:
            job.leave_out("texts whose photo is missing", f"image {image} of {name}_imgs.tsv")


def _rows(job: Job, image: str, data: bytes, titles: dict[str, str], split: str) -> Iterator[Row]:
    path = job.output / "images" / f"{image}.{_ENDINGS[data[:2]]}"
    if not path.is_file() or path.stat().st_size != len(data):
        write_file(path, data)
    for text_id, title in titles.items():
        row = new_row(id=f"{image}-{text_id}", title_zh=title, split=split, product_id=image)
        yield located(row, job.relative(path))


def _titles(job: Job, name: str) -> _Titles:
    """Read the texts of each image: its id -> text id -> text."""
    titles: _Titles = {}
    for row in json_lines(job, job.folder / f"{name}_texts.jsonl"):
        text, images, text_id = row.get("text"), row.get("image_ids"), row.get("text_id")
        if not isinstance(text, str) or not clean(text) or not isinstance(images, list) or text_id is None:
            job.leave_out("a text without its id, words or images", row)
            continue
        for image in images:
            titles.setdefault(str(image), {}).setdefault(str(text_id), text)
    return titles


def _photos(job: Job, name: str, titles: _Titles, seen: set[str]) -> Iterator[tuple[str, bytes]]:
    """Read the photos that can be used; `titles` loses the images that cannot."""
    for line in lines(job, job.folder / f"{name}_imgs.tsv"):
        image, _, encoded = line.strip().partition("\t")
        if not image:
            continue
        if not (image.isascii() and image.isdigit()):
            job.leave_out("a line without an image's id", f"{name}_imgs.tsv: {line[:40]!r}")
        elif image in seen:
            job.leave_out("an image id that occurs twice", image)
            titles.pop(image, None)
        elif image not in titles:
            job.leave_out("a photo without a text", image)
        else:
            seen.add(image)
            data = _decoded(encoded)
            if problem := damage(data) if data is not None else "a photo that is not base64":
                job.leave_out(problem, image)
                del titles[image]
            elif data is not None:
                yield image, data


def _decoded(encoded: str) -> bytes | None:
    try:
        return base64.b64decode(encoded.strip().translate(_URL_SAFE), validate=True)
    except binascii.Error:
        return None
