"""What product photos are taken on: paper, wood, walls, bed sheets, untidy tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trifuse.systems.product.rendering.canvas import Colour

    Picture = NDArray[np.floating[Any]]

_PAPER: tuple[Colour, ...] = (
    (242, 242, 242),
    (224, 226, 230),
    (206, 202, 196),
    (226, 214, 200),
    (204, 218, 228),
    (214, 226, 212),
    (236, 216, 218),
    (150, 154, 162),
    (96, 106, 116),
    (176, 190, 186),
)
_WOOD: tuple[Colour, ...] = ((196, 158, 112), (150, 108, 70), (214, 190, 158), (110, 78, 54), (176, 166, 154))
_WALL: tuple[Colour, ...] = (
    (206, 204, 198),
    (182, 142, 122),
    (160, 172, 180),
    (222, 212, 190),
    (120, 124, 128),
)
_SHEET: tuple[Colour, ...] = (
    (236, 234, 230),
    (196, 208, 222),
    (222, 206, 206),
    (204, 210, 196),
    (150, 160, 178),
)


def backdrop(size: tuple[int, int], avoid: Colour, rng: np.random.Generator) -> Picture:
    """Render a background, RGB of shape (height, width, 3), in which a garment's colour stands out."""
    kinds = (_plain, _gradient, _wood, _wall, _sheet, _clutter)
    kind = kinds[rng.choice(len(kinds), p=(0.24, 0.18, 0.16, 0.14, 0.16, 0.12))]
    return kind(size, avoid, rng)


def smooth_noise(size: tuple[int, int], cells: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Make noise with a given number of bumps across and down; shape (height, width), deviation about 0.7."""
    coarse = rng.standard_normal((max(2, cells[1]), max(2, cells[0])), dtype=np.float32)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def creases(size: tuple[int, int], cells: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Make the ridges of folded cloth; shape (height, width), about -1 … 1 with sharp crests."""
    ridges: Picture = 1.0 - 2.0 * np.minimum(np.abs(smooth_noise(size, cells, rng)), 1.0)
    return ridges


def _choose(palette: tuple[Colour, ...], avoid: Colour, rng: np.random.Generator) -> Picture:
    order = [palette[index] for index in rng.permutation(len(palette))]
    distances = [math.dist(colour, avoid) for colour in order]
    distinct = next(
        (index for index, distance in enumerate(distances) if distance > 75), int(np.argmax(distances))
    )
    return np.array(order[distinct], dtype=np.float32) + rng.uniform(-8.0, 8.0, 3).astype(np.float32)


def _painted(colour: Picture, tone: Picture) -> Picture:
    return colour * tone[..., None]


def _plain(size: tuple[int, int], avoid: Colour, rng: np.random.Generator) -> Picture:
    return _painted(_choose(_PAPER, avoid, rng), 1.0 + 0.015 * smooth_noise(size, (3, 3), rng))


def _gradient(size: tuple[int, int], avoid: Colour, rng: np.random.Generator) -> Picture:
    """A studio sweep: the wall above runs into the lighter floor below."""
    horizon, softness = rng.uniform(0.5, 0.8), rng.uniform(0.04, 0.3)
    ramp = 1.0 / (1.0 + np.exp(-(np.linspace(0.0, 1.0, size[1], dtype=np.float32) - horizon) / softness))
    tone = np.broadcast_to((0.86 + 0.16 * ramp)[:, None], (size[1], size[0]))
    return _painted(_choose(_PAPER, avoid, rng), tone.astype(np.float32))


def _wood(size: tuple[int, int], avoid: Colour, rng: np.random.Generator) -> Picture:
    width = size[0]
    grain = 0.06 * smooth_noise(size, (width // 3, 4), rng) + 0.035 * smooth_noise(
        size, (width // 12, 3), rng
    )
    board = int(rng.integers(28, 64))
    boards = np.arange(width) // board
    tint = rng.normal(0.0, 0.05, int(boards[-1]) + 1).astype(np.float32)[boards]
    gap = np.where(np.arange(width) % board < 2, -0.3, 0.0).astype(np.float32)
    picture = _painted(_choose(_WOOD, avoid, rng), 1.0 + grain + tint + gap)
    return picture if rng.random() < 0.5 else _sideways(size, picture)


def _sideways(size: tuple[int, int], picture: Picture) -> Picture:
    repeats = -(-max(size) // min(size))
    turned = np.tile(picture.transpose(1, 0, 2), (repeats, repeats, 1))
    return turned[: size[1], : size[0]]


def _wall(size: tuple[int, int], avoid: Colour, rng: np.random.Generator) -> Picture:
    width, height = size
    tone = (
        1.0
        + 0.05 * smooth_noise(size, (width // 3, height // 3), rng)
        + 0.03 * smooth_noise(size, (6, 8), rng)
    )
    if rng.random() < 0.5:
        course = int(rng.integers(18, 30))
        rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
        joint = (columns + (rows // course % 2) * course) % (2 * course) < 2
        tone = tone + np.where((rows % course < 2) | joint, np.float32(0.12), np.float32(0.0))
    return _painted(_choose(_WALL, avoid, rng), tone.astype(np.float32))


def _sheet(size: tuple[int, int], avoid: Colour, rng: np.random.Generator) -> Picture:
    tone = 0.96 + 0.05 * creases(size, (3, 4), rng) + 0.03 * creases(size, (7, 5), rng)
    return _painted(_choose(_SHEET, avoid, rng), tone)


def _clutter(size: tuple[int, int], avoid: Colour, rng: np.random.Generator) -> Picture:
    """Books, boxes and plates around the edges of a table."""
    width, height = size
    picture = Image.new("RGB", size, tuple(int(value) for value in _choose(_PAPER, avoid, rng).clip(0, 255)))
    pen = ImageDraw.Draw(picture)
    for angle in np.linspace(0.0, 2 * math.pi, int(rng.integers(7, 12)), endpoint=False) + rng.uniform(
        0.0, 1.0
    ):
        x, y = width * (0.5 + 0.52 * math.cos(angle)), height * (0.5 + 0.52 * math.sin(angle))
        reach = rng.uniform(0.08, 0.2, 2) * min(size)
        colour = tuple(int(value) for value in rng.integers(60, 215) + rng.uniform(-28.0, 28.0, 3))
        draw = pen.ellipse if rng.random() < 0.4 else pen.rectangle
        draw((x - reach[0], y - reach[1], x + reach[0], y + reach[1]), fill=colour, outline=(90, 90, 90))
    return np.asarray(picture.filter(ImageFilter.BoxBlur(1)), dtype=np.float32)
