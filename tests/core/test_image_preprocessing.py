from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trifuse import systems
from trifuse.errors import InputError
from trifuse.preprocessing.image import ImageSettings, decode, normalise, preprocess_image

SETTINGS = ImageSettings.of(systems.contract("product", "demo").settings)
SIZE = SETTINGS.image_size


def _quadrants(mode: str = "RGB", width: int = 160, height: int = 240) -> Image.Image:
    """A picture whose four corners are red, green, blue and white."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for row, column, colour in (
        (0, 0, (255, 0, 0)),
        (0, 1, (0, 255, 0)),
        (1, 0, (0, 0, 255)),
        (1, 1, (255, 255, 255)),
    ):
        rows = slice(row * height // 2, (row + 1) * height // 2)
        pixels[rows, column * width // 2 : (column + 1) * width // 2] = colour
    return Image.fromarray(pixels).convert(mode)


def _encode(image: Image.Image, format_: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def _corners(data: bytes) -> np.ndarray:
    pixels = decode(data, SETTINGS).astype(int)
    quarter = SIZE // 4
    return pixels[[quarter, quarter, -quarter, -quarter], [quarter, -quarter, quarter, -quarter]]


@pytest.mark.parametrize(
    ("mode", "format_", "options"),
    [
        ("RGB", "JPEG", {"quality": 95}),
        ("RGB", "JPEG", {"quality": 95, "progressive": True}),
        ("RGB", "PNG", {}),
        ("P", "PNG", {}),
        ("RGBA", "PNG", {}),
        ("RGB", "WEBP", {"lossless": True}),
        ("CMYK", "JPEG", {"quality": 95}),
    ],
)
def test_formats_and_modes_give_the_same_picture(mode: str, format_: str, options: dict[str, Any]) -> None:
    expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    np.testing.assert_allclose(_corners(_encode(_quadrants(mode), format_, **options)), expected, atol=12)


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey_pictures_have_equal_channels(mode: str) -> None:
    pixels = decode(_encode(_quadrants("L").convert(mode), "PNG"), SETTINGS)
    assert (pixels == pixels[..., :1]).all()
    assert pixels.max() > 250


def test_sixteen_bit_grey_keeps_its_range() -> None:
    ramp = np.linspace(0, 65535, 200 * 200).reshape(200, 200).astype(np.uint16)
    pixels = decode(_encode(Image.fromarray(ramp), "PNG"), SETTINGS)
    assert pixels[0, 0, 0] < 5
    assert pixels[-1, -1, 0] > 250
    assert abs(int(pixels[SIZE // 2, SIZE // 2, 0]) - 128) < 8


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, (255, 0, 0)), (2, (0, 255, 0)), (3, (255, 255, 255)), (6, (0, 0, 255)), (8, (0, 255, 0))],
)
def test_exif_orientation_is_applied(orientation: int, corner: tuple[int, int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _encode(_quadrants(), "JPEG", quality=95, exif=exif)
    np.testing.assert_allclose(_corners(data)[0], corner, atol=12)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own words about the damage
def test_a_damaged_exif_block_does_not_cost_the_photo() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x09\0\0\xff\xff\xff\xff\xff\xff"
    for block in (exif, b"Exif\0\0not a TIFF file", b"Exif\0\0"):
        data = _encode(_quadrants(), "JPEG", quality=95, exif=block)
        np.testing.assert_allclose(_corners(data)[0], (255, 0, 0), atol=12)


def test_transparent_pixels_show_the_background() -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    assert (decode(_encode(image, "PNG"), SETTINGS) == SETTINGS.background).all()


def test_normalisation_is_the_formula() -> None:
    pixels = np.arange(SIZE * SIZE * 3, dtype=np.uint32).astype(np.uint8).reshape(SIZE, SIZE, 3)
    expected = ((pixels / 255 - np.array(SETTINGS.pixel_mean)) / np.array(SETTINGS.pixel_std)).transpose(
        2, 0, 1
    )
    found = normalise(pixels, SETTINGS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def _png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + b"\0\0\x10\0IDAT"
    )


BAD_IMAGES = {
    "empty": (b"", "empty"),
    "text": (b"hello", "format is not known"),
    "gif": (_encode(_quadrants("P"), "GIF"), "format is not known"),
    "truncated jpeg": (_encode(_quadrants(), "JPEG")[:900], "damaged"),
    "truncated png": (_encode(_quadrants(), "PNG")[:120], "damaged"),
    "decompression bomb": (_png_header(60_000, 60_000), "too many pixels: got .*expected at most 50,000,000"),
    "more pixels than allowed": (_png_header(9_000, 9_000), "too many pixels: got 9000 × 9000"),
    "many bytes": (b"\xff\xd8\xff" + b"\0" * SETTINGS.max_image_bytes, "too large"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_bad_images_are_input_errors_that_say_why(name: str) -> None:
    data, message = BAD_IMAGES[name]
    with pytest.raises(InputError, match=message):
        preprocess_image(data, SETTINGS)
