"""A picture of search results: every photo with its rank, score and title."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont, ImageOps

from trifuse.artifacts import write_file
from trifuse.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COLUMNS = 5
TILE = 220
_CAPTION, _HEADER, _MARGIN, _FONT_SIZE = 60, 40, 12, 16
_PAPER, _INK, _BLANK = "white", "black", (224, 224, 224)


@dataclass(frozen=True)
class Entry:
    """One result; the first of its titles that an installed font can write is shown."""

    photo: Path
    score: float
    titles: tuple[str, ...]


def installed_fonts() -> list[Path]:
    """List the fonts to write with: matplotlib's own first, then the machine's, regular weights first."""
    import matplotlib
    from matplotlib.font_manager import findSystemFonts

    system = sorted(findSystemFonts(), key=lambda path: ("regular" not in path.lower(), path))
    return [Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), *map(Path, system)]


def draw_contact_sheet(entries: Sequence[Entry], heading: str, fonts: Iterable[Path]) -> Image.Image:
    """Draw the results in rows of five, best first, under a heading.

    One font writes a text, the first of `fonts` that has all of its characters; a text that no font can
    write is left out.
    """
    writer = _Writer(list(fonts))
    rows = -(-len(entries) // COLUMNS)
    width = COLUMNS * (TILE + _MARGIN) + _MARGIN
    sheet = Image.new("RGB", (width, _HEADER + rows * (TILE + _CAPTION) + _MARGIN), _PAPER)
    pen = ImageDraw.Draw(sheet)
    writer.write(pen, (_MARGIN, _MARGIN), (heading,), width - 2 * _MARGIN)
    for index, entry in enumerate(entries):
        row, column = divmod(index, COLUMNS)
        left, top = _MARGIN + column * (TILE + _MARGIN), _HEADER + row * (TILE + _CAPTION)
        _paste(sheet, entry.photo, (left, top))
        writer.write(pen, (left, top + TILE + 4), (f"{index + 1} · {entry.score:.3f}",), TILE)
        writer.write(pen, (left, top + TILE + 4 + _FONT_SIZE + 4), entry.titles, TILE)
    return sheet


def write_contact_sheet(path: Path, entries: Sequence[Entry], heading: str) -> None:
    """Draw the results with the installed fonts and write them as a PNG file. Raises ConfigurationError."""
    content = io.BytesIO()
    draw_contact_sheet(entries, heading, installed_fonts()).save(content, "PNG")
    try:
        write_file(path, content.getvalue())
    except OSError as error:
        raise ConfigurationError(f"the contact sheet {path} cannot be written", got=error.strerror) from error


def _paste(sheet: Image.Image, path: Path, corner: tuple[int, int]) -> None:
    """Put a photo into its tile, whole and centred; a tile whose photo is gone stays grey."""
    tile = Image.new("RGB", (TILE, TILE), _BLANK)
    try:
        with Image.open(path) as opened:
            photo = ImageOps.contain(ImageOps.exif_transpose(opened).convert("RGB"), (TILE, TILE))
        tile.paste(photo, ((TILE - photo.width) // 2, (TILE - photo.height) // 2))
    except OSError:
        pass
    sheet.paste(tile, corner)


class _Writer:
    """Writes texts in fonts that have their characters."""

    def __init__(self, fonts: list[Path]) -> None:
        self._fonts = fonts

    def write(self, pen: ImageDraw.ImageDraw, at: tuple[int, int], texts: Iterable[str], width: int) -> None:
        """Write the first text that a font covers, shortened to `width` pixels."""
        for text in filter(None, texts):
            path = next((font for font in self._fonts if _covers(font, text)), None)
            if path:
                font = ImageFont.truetype(path, _FONT_SIZE)
                pen.text(at, _shorten(text, font, width), fill=_INK, font=font)
                return


def _covers(path: Path, text: str) -> bool:
    return _characters(path).issuperset(ord(character) for character in text if not character.isspace())


@cache
def _characters(path: Path) -> frozenset[int]:
    """Read which characters a font has; none for a file that is no usable font."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(str(path)).get_charmap())
    except (RuntimeError, OSError):
        return frozenset()


def _shorten(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
