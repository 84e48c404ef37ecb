"""Checks that photos are there and can be decoded, as training and serving decode them."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from trifuse.errors import InputError
from trifuse.preprocessing.image import ImageSettings, decode
from trifuse.systems.product.contract import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from trifuse.importing.job import Job
    from trifuse.importing.rows import Row

_PHOTOS_AT_ONCE = 256
# Small, so that JPEG is decoded at an eighth of its size: damage shows all the same.
_CHECK_SIZE = 16


def with_photos(job: Job, candidates: Iterable[tuple[Path, Row]]) -> Iterator[Row]:
    """Give each row its photo's path; rows whose photo is missing or damaged are left out."""
    remaining = iter(candidates)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        while batch := list(itertools.islice(remaining, _PHOTOS_AT_ONCE)):
            problems = pool.map(_problem, [photo for photo, _ in batch])
            for (photo, row), problem in zip(batch, problems, strict=True):
                if problem:
                    job.leave_out(problem, photo)
                else:
                    yield located(row, job.relative(photo))


def located(row: Row, path: str) -> Row:
    """Add the path to a row, after its id."""
    return {"id": row["id"], "path": path} | row


def _problem(photo: Path) -> str | None:
    try:
        return damage(photo.read_bytes())
    except FileNotFoundError:
        return "a photo that is missing"
    except OSError as error:
        return f"a photo that cannot be read ({error.strerror})"


def damage(data: bytes) -> str | None:
    """Say what keeps a photo from being used, if anything does."""
    try:
        decode(data, _settings(), _CHECK_SIZE)
    except InputError as error:
        return f"a photo that cannot be used ({error.problem})"
    return None


@cache
def _settings() -> ImageSettings:
    return ImageSettings.of(contract("full").settings)
