"""One product photo: the garment drawn, laid on a background, lit and encoded as JPEG."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from trifuse.systems.product.rendering import accessories, bottoms, tops
from trifuse.systems.product.rendering.backgrounds import backdrop, creases, smooth_noise
from trifuse.systems.product.rendering.canvas import (
    Canvas,
    Pose,
    disc,
    mirrored,
    points,
    ribbon,
    rounded,
    spaced,
)
from trifuse.systems.product.rendering.garment import loop
from trifuse.systems.product.rendering.patterns import draw_pattern
from trifuse.systems.product.rendering.styles import dress_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from trifuse.systems.product.rendering.backgrounds import Picture
    from trifuse.systems.product.rendering.canvas import Colour
    from trifuse.systems.product.rendering.garment import Garment

CUTS: dict[str, Callable[[np.random.Generator], Garment]] = {
    "t-shirt": tops.t_shirt,
    "shirt": tops.shirt,
    "long-sleeve top": tops.long_sleeve,
    "pants": bottoms.pants,
    "shorts": bottoms.shorts,
    "dress": tops.dress,
    "skirt": bottoms.skirt,
    "jacket": tops.jacket,
    "hat": accessories.hat,
    "shoes": accessories.shoes,
}
DYES: dict[str, Colour] = {
    "white": (244, 243, 240),
    "black": (30, 30, 33),
    "grey": (134, 136, 140),
    "red": (202, 28, 40),
    "pink": (242, 146, 178),
    "orange": (240, 118, 22),
    "yellow": (246, 212, 48),
    "green": (44, 142, 74),
    "blue": (38, 90, 192),
    "purple": (120, 58, 166),
    "brown": (112, 68, 40),
    "beige": (216, 192, 154),
}
_TURNED_BY_TAG = {
    1: None,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Look:
    """What a photo shows."""

    category: str
    colour: str
    pattern: str
    style: str


def render(look: Look, make: np.random.Generator, take: np.random.Generator) -> Image.Image:
    """Render a photo (RGB); `make` decides the product itself, `take` how it is photographed."""
    base = _dyed(DYES[look.colour], make)
    garment = CUTS[look.category](make)
    size = _frame(take)
    pose = _pose(look.category, size, take)
    picture = backdrop(size, base, take)
    if garment.behind:
        behind = _background_cloth(size, pose, garment, base, take)
        picture = _laid(picture, behind, np.ones(size[::-1], np.float32), take)
    cloth = _tailored(size, pose, garment, look, base, make)
    picture = _laid(picture, cloth, _folds(size, take), take)
    return _exposed(picture, look.style, take)


def encode(image: Image.Image, take: np.random.Generator, comment: str) -> bytes:
    """Encode as JPEG; some photos are stored turned, with the EXIF tag that turns them back."""
    tag = int(take.choice((1, 3, 6, 8), p=(0.9, 0.02, 0.05, 0.03)))
    turn = _TURNED_BY_TAG[tag]
    exif = Image.Exif()
    if turn is not None:
        image = image.transpose(turn)
        exif[_EXIF_ORIENTATION] = tag
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(take.integers(80, 93)), exif=exif, comment=comment)
    return buffer.getvalue()


def _dyed(dye: Colour, rng: np.random.Generator) -> Colour:
    red, green, blue = (
        (np.array(dye) * rng.uniform(0.94, 1.05) + rng.uniform(-4.0, 4.0, 3)).clip(8, 250).astype(int)
    )
    return int(red), int(green), int(blue)


def _frame(rng: np.random.Generator) -> tuple[int, int]:
    short = int(rng.integers(192, 321))
    long = round(short * rng.choice((1.0, 1.2, 1.25, 4 / 3), p=(0.2, 0.2, 0.25, 0.35)))
    return (long, short) if rng.random() < 0.12 else (short, long)


def _pose(category: str, size: tuple[int, int], rng: np.random.Generator) -> Pose:
    fill = rng.uniform(0.43, 0.54)
    scale = min(size[0] * fill, size[1] * fill)
    spare = np.array(size) / 2 - scale * 0.93
    shift = rng.uniform(-0.8, 0.8, 2) * np.maximum(spare, 0.05 * min(size))
    rotation = math.radians(rng.uniform(-15.0, 15.0))
    centre = (size[0] / 2 + float(shift[0]), size[1] / 2 + float(shift[1]))
    return Pose(scale, centre, rotation, flipped=category in ("hat", "shoes") and bool(rng.random() < 0.5))


def _background_cloth(
    size: tuple[int, int], pose: Pose, garment: Garment, base: Colour, rng: np.random.Generator
) -> Canvas:
    """The inside of the back, seen through the neck, and often a hanger."""
    canvas = Canvas(size, pose, base)
    red, green, blue = (round(value * 0.6) for value in base)
    for outline in garment.behind:
        canvas.sew(outline, (red, green, blue))
    if rng.random() < 0.4:
        for x, y, half in garment.hangers:
            arm = rounded(
                points((0.0, y - 0.04), (half * 0.5, y + 0.02), (half * 0.95, y + 0.13)), closed=False
            )
            hook = disc((x, y - 0.13), 0.05, 20)[:15]
            colour = ((150, 104, 62), (60, 60, 64), (190, 192, 196))[rng.integers(3)]
            for line in (arm, mirrored(arm)):
                canvas.sew(ribbon(line, 0.05), colour)
            canvas.sew(
                ribbon(np.concatenate([points((x, y - 0.04)), hook[5::-1], hook[:7:-1]]), 0.022),
                (120, 122, 126),
            )
    return canvas


def _tailored(
    size: tuple[int, int], pose: Pose, garment: Garment, look: Look, base: Colour, make: np.random.Generator
) -> Canvas:
    canvas = Canvas(size, pose, base)
    draw_pattern(canvas, look.pattern, base, make)
    for part in garment.parts:
        canvas.ink(ribbon(loop(part), 0.02), (0, 0, 0), 0.3)
        canvas.cut(part)
    for outline, tone in garment.panels:
        canvas.ink(outline, (0, 0, 0) if tone < 0 else (255, 255, 255), abs(tone))
    for seam in garment.seams:
        canvas.ink(ribbon(seam, 0.016), (0, 0, 0) if max(base) > 90 else (150, 150, 150), 0.32)
    for centre in (place for line in garment.buttons for place in spaced(line, 0.22)):
        canvas.ink(disc(centre, 0.022, 8), (90, 86, 84) if max(base) > 90 else (170, 168, 164))
    dress_up(canvas, garment, look.style, base, make)
    return canvas


def _folds(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """How light falls on draped cloth: broad waves, creases and a weave; shape (height, width), about 1."""
    wave = 0.055 * smooth_noise(size, (5, 3), rng) + 0.06 * creases(size, (5, 3), rng)
    folds: Picture = 1.01 + wave + 0.012 * smooth_noise(size, (size[0] // 2, size[1] // 2), rng)
    return folds


def _laid(picture: Picture, canvas: Canvas, folds: Picture, rng: np.random.Generator) -> Picture:
    """Lay cloth on a picture: soft shadow below, darker rim, folds; black cloth shows its folds by sheen."""
    sheet, mask = canvas.layers()
    reach = min(mask.size) * 0.02
    alpha = np.asarray(mask, dtype=np.float32)[..., None] / 255
    blurred = mask.filter(ImageFilter.BoxBlur(reach * 1.5))
    offset = tuple(int(value) for value in rng.uniform(-2.0, 2.0, 2) * reach)
    shadow = np.roll(np.asarray(blurred, dtype=np.float32), offset, axis=(0, 1))[..., None] / 255
    shade = (folds * (0.82 + 0.18 * np.asarray(blurred, dtype=np.float32) / 255))[..., None]
    cloth = np.asarray(sheet, dtype=np.float32) * shade + 60.0 * (shade - 0.95)
    ground = picture * (1.0 - 0.45 * shadow)
    laid: Picture = ground + (cloth - ground) * alpha
    return laid


def _exposed(picture: Picture, style: str, rng: np.random.Generator) -> Image.Image:
    """Light the scene from one side, set the colour temperature, and add the sensor's noise."""
    height, width = picture.shape[:2]
    tilt = rng.uniform(-0.09, 0.09, 2).astype(np.float32)
    light = rng.uniform(0.92, 1.06) + tilt[0] * np.linspace(-1, 1, width, dtype=np.float32)
    light = light + tilt[1] * np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    warmth = rng.uniform(-0.05, 0.05)
    picture = picture * (light[..., None] * np.array([1 + warmth, 1.0, 1 - warmth], np.float32))
    if style == "vintage":
        picture = picture + 0.3 * (_sepia(picture) - picture)
    grain = rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(rng.uniform(1.0, 4.0))
    return Image.fromarray((picture + grain).clip(0, 255).astype(np.uint8))


def _sepia(picture: Picture) -> Picture:
    luminance = picture @ np.array([0.3, 0.59, 0.11], np.float32)
    tone: Picture = luminance[..., None] * np.array([1.08, 0.94, 0.72], np.float32) + 14.0
    return tone
