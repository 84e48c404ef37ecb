"""Generates the template system's data: a square that rests or wanders, with a tone and a line of text."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from trifuse.artifacts import write_file
from trifuse.catalog import MANIFEST_NAME
from trifuse.synthesis.movie import SAMPLE_RATE_HZ, Line, Movie, write_movie
from trifuse.synthesis.production import json_lines, make_all
from trifuse.systems.template.contract import CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

DEFAULT_ITEMS = 400

_FPS, _FRAMES, _SIZE, _SQUARE = 8, 16, 64, 16
_PER_GROUP, _VALIDATION_OF_5 = 4, 4


def generate(output: Path, *, items: int, seed: int, workers: int | None = None) -> Path:
    """Film `items` windows into a folder and return its manifest, which is written after the files."""
    make_all(partial(_film, output, seed), range(items), "Filming windows", workers, chunk=16)
    manifest = output / MANIFEST_NAME
    write_file(manifest, json_lines(map(_row, range(items))))
    return manifest


def _row(index: int) -> dict[str, object]:
    group = index // _PER_GROUP
    split = "validation" if group % 5 == _VALIDATION_OF_5 else "train"
    label = CLASSES[index % len(CLASSES)]
    return {"id": f"w{index}", "path": f"w{index}.mp4", "split": split, "group": f"g{group}", "label": label}


def _film(output: Path, seed: int, index: int) -> None:
    rng = np.random.default_rng([seed, index])
    moving = CLASSES[index % len(CLASSES)] == "moving"
    tone = np.sin(np.arange(2 * SAMPLE_RATE_HZ) * rng.uniform(0.05, 0.4)).astype(np.float32) * 0.1
    line = Line(0.0, 2.0, "here it goes" if moving else "nothing happens")
    movie = Movie(_frames(rng, moving=moving), _FPS, (_SIZE, _SIZE), 28, tone, [line])
    write_movie(output / f"w{index}.mp4", movie, f"seed {seed}")


def _frames(rng: np.random.Generator, *, moving: bool) -> Iterator[NDArray[np.uint8]]:
    place = rng.uniform(0, _SIZE - _SQUARE, 2)
    colours = rng.integers(0, 256, (2, 3))
    for _ in range(_FRAMES):
        if moving:
            place = np.clip(place + rng.normal(0, 6, 2), 0, _SIZE - _SQUARE)
        image = np.full((_SIZE, _SIZE, 3), colours[0], np.uint8)
        row, column = place.astype(int)
        image[row : row + _SQUARE, column : column + _SQUARE] = colours[1]
        yield image
