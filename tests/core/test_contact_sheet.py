"""The contact sheet shows every photo in its tile with its rank, score and a title that can be written."""

from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image

from trifuse.client.contact_sheet import (
    COLUMNS,
    TILE,
    Entry,
    draw_contact_sheet,
    installed_fonts,
    write_contact_sheet,
)
from trifuse.errors import ConfigurationError


@pytest.fixture(scope="module")
def latin():
    return installed_fonts()[0]


@pytest.fixture
def chinese(tmp_path):
    """Build a font of solid squares for the characters of 白色连衣裙."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 900), (900, 900), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    glyphs = {".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()}
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap({ord(character): "square" for character in "白色连衣裙"})
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "squares.ttf")
    return tmp_path / "squares.ttf"


@pytest.fixture
def photo(tmp_path):
    """Write a wide photo, red on the left and blue on the right, turned upside down by its EXIF tag."""
    pixels = np.zeros((50, 100, 3), np.uint8)
    pixels[:, :50, 2] = 255
    pixels[:, 50:, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(pixels).save(tmp_path / "photo.png", exif=exif)
    return tmp_path / "photo.png"


def tile(sheet, index):
    """Cut out the tile and the caption of a result, found by the sheet's even grid."""
    margin = (sheet.width - COLUMNS * TILE) // (COLUMNS + 1)
    left = margin + (index % COLUMNS) * (TILE + margin)
    return np.asarray(sheet)[40 : 40 + TILE, left : left + TILE], np.asarray(sheet)[
        40 + TILE :, left : left + TILE
    ]


def test_a_photo_fills_its_tile_upright_and_whole(photo, latin):
    pixels, _ = tile(draw_contact_sheet([Entry(photo, 0.5, ("a",))], "query", [latin]), 0)
    assert pixels[TILE // 2, 5].tolist() == [255, 0, 0]
    assert pixels[TILE // 2, TILE - 5].tolist() == [0, 0, 255]
    assert len({tuple(pixels[5, 5]), tuple(pixels[TILE - 5, 5])}) == 1
    assert pixels[5, 5].tolist() not in ([255, 0, 0], [0, 0, 255])


def test_a_photo_that_is_gone_leaves_a_grey_tile(latin):
    pixels, caption = tile(draw_contact_sheet([Entry(Path("gone.jpg"), 0.5, ("a",))], "", [latin]), 0)
    assert np.ptp(pixels) == 0
    assert caption.min() < 100


def test_results_fill_rows_of_five(photo, latin):
    one, five, six = (
        draw_contact_sheet([Entry(photo, 0.5, ())] * count, "q", [latin]) for count in (1, 5, 6)
    )
    assert one.size == five.size
    assert (six.width, six.height > five.height) == (five.width, True)


def test_rank_and_score_are_written(photo, latin):
    def captions(*scores):
        sheet = draw_contact_sheet([Entry(photo, score, ()) for score in scores], "q", [latin])
        return [tile(sheet, index)[1].tobytes() for index in range(len(scores))]

    first, second = captions(0.5, 0.5)
    assert first != second
    assert captions(0.5)[0] == first
    assert captions(0.501)[0] != first


def test_a_chinese_title_is_written_where_a_font_has_it(photo, latin, chinese):
    both = [Entry(photo, 0.5, ("白色连衣裙", "white dress"))]
    with_font = np.asarray(draw_contact_sheet(both, "q", [latin, chinese]))
    only_chinese = np.asarray(draw_contact_sheet([Entry(photo, 0.5, ("白色连衣裙",))], "q", [latin, chinese]))
    without_font = np.asarray(draw_contact_sheet(both, "q", [latin]))
    only_english = np.asarray(draw_contact_sheet([Entry(photo, 0.5, ("white dress",))], "q", [latin]))
    np.testing.assert_array_equal(with_font, only_chinese)
    np.testing.assert_array_equal(without_font, only_english)
    assert (with_font != without_font).any()


def test_text_that_no_font_has_is_left_out(photo, latin):
    unwritable = draw_contact_sheet([Entry(photo, 0.5, ("白色",))], "连衣裙", [latin])
    empty = draw_contact_sheet([Entry(photo, 0.5, ())], "", [latin])
    assert unwritable.tobytes() == empty.tobytes()


def test_a_long_title_stays_below_its_photo(photo, latin):
    entries = [Entry(photo, 0.5, ("white dress " * 20,)), Entry(photo, 0.5, ())]
    plain = draw_contact_sheet([Entry(photo, 0.5, ())] * 2, "q", [latin])
    _, neighbour = tile(draw_contact_sheet(entries, "q", [latin]), 1)
    np.testing.assert_array_equal(neighbour, tile(plain, 1)[1])


def test_a_file_that_is_no_font_is_passed_over(photo, latin):
    entries = [Entry(photo, 0.5, ("white dress",))]
    with_junk = draw_contact_sheet(entries, "q", [photo, Path("missing.ttf"), latin])
    assert with_junk.tobytes() == draw_contact_sheet(entries, "q", [latin]).tobytes()


def test_the_sheet_is_written_as_png_and_an_unwritable_place_is_reported(photo, tmp_path):
    write_contact_sheet(tmp_path / "new" / "sheet.png", [Entry(photo, 0.5, ("a",))], "query")
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.format == "PNG"
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_contact_sheet(photo / "sheet.png", [Entry(photo, 0.5, ("a",))], "query")
