"""From encoded photos to normalised pixels, the same bytes to the same bits everywhere."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from trifuse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_FORMATS = ("JPEG", "PNG", "WEBP")
_HASH_SIDE = 16
_ORIENTATION = ExifTags.Base.Orientation
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class ImageSettings:
    """Size, filter, normalisation and limits of an image input.

    `background` is the RGB colour (0–255) under transparent pixels; `pixel_mean` and `pixel_std` apply
    to RGB scaled to 0–1.
    """

    image_size: int
    resample: str
    pixel_mean: tuple[float, float, float]
    pixel_std: tuple[float, float, float]
    background: tuple[int, int, int]
    max_image_bytes: int
    max_image_pixels: int

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> ImageSettings:
        """Pick the image settings out of a contract's settings."""
        return cls(**{name: settings[name] for name in cls.__dataclass_fields__})

    @cached_property
    def lookup(self) -> NDArray[np.float32]:
        """Normalised value of every byte, (3, 256): a table gives equal bits under numpy 1 and 2."""
        scaled = np.arange(256, dtype=np.float64) / 255
        mean, std = (
            np.array(values, dtype=np.float64)[:, None] for values in (self.pixel_mean, self.pixel_std)
        )
        return ((scaled - mean) / std).astype(np.float32)


def decode(data: bytes, settings: ImageSettings, size: int | None = None) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG or WebP photo into RGB bytes of shape (size, size, 3).

    The whole photo is kept: both sides are resized, so the aspect ratio may change. EXIF orientation
    is applied and transparency is laid over the background. Raises InputError.
    """
    size = size or settings.image_size
    image = _open(data, settings)
    try:
        image.draft("RGB" if image.mode == "YCbCr" else image.mode, (size, size))
        rgb = _to_rgb(image, settings.background)
        filter_ = Image.Resampling[settings.resample.upper()]
        resized = rgb.resize((size, size), filter_, reducing_gap=2.0)
        return np.asarray(_turned(resized, image))
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError) as error:
        raise InputError("the image is damaged", got=error, hint="Send the complete file") from error


def normalise(
    pixels: NDArray[np.uint8], settings: ImageSettings, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Normalise RGB bytes (size, size, 3) into float32 channels (3, size, size), those of `out` if given."""
    if out is None:
        out = np.empty((3, *pixels.shape[:2]), np.float32)
    for channel in range(3):
        # No byte is out of range; without a mode numpy writes into a copy of `out` first.
        np.take(settings.lookup[channel], pixels[..., channel], out=out[channel], mode="clip")
    return out


def difference_hash(data: bytes) -> bytes:
    """Hash a photo to 256 bits (32 bytes) that hardly change when it is resized or encoded anew.

    Each bit says whether a cell is brighter than its left neighbour, in a grid of 16 × 17; of unequal photos
    about half of the bits differ. Raises InputError. Source:
    https://www.hackerfactor.com/blog/?/archives/529-Kind-of-Like-That.html
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            image.draft("L", (_HASH_SIDE * 4, _HASH_SIDE * 4))
            grid = image.convert("L").resize((_HASH_SIDE + 1, _HASH_SIDE), Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise InputError("the image is damaged", got=error, hint="Send the complete file") from error
    cells = np.asarray(grid).astype(np.int16)
    return np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes()


def preprocess_image(
    data: bytes, settings: ImageSettings, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Turn one encoded photo into the encoder's input (3, size, size), that of `out` if given.

    Raises InputError.
    """
    return normalise(decode(data, settings), settings, out)


def _open(data: bytes, settings: ImageSettings) -> Image.Image:
    if not data:
        raise InputError("the image is empty", got="0 bytes", hint="Leave the input out if there is no photo")
    if len(data) > settings.max_image_bytes:
        raise InputError(
            "the image file is too large",
            got=f"{len(data):,} bytes",
            expected=f"at most {settings.max_image_bytes:,}",
            hint="Send a smaller copy",
        )
    try:
        with warnings.catch_warnings():
            # Pillow's own limit only warns or raises late; the check on the header's size below is stricter.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError:
        raise InputError(
            "the image format is not known",
            got=f"a file that starts with {data[:8]!r}",
            expected=" or ".join(_FORMATS),
            hint="Send the file's bytes, not its name or base64",
        ) from None
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(error, settings) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError("the image's header is damaged", got=error, hint="Send the complete file") from error
    if image.width * image.height > settings.max_image_pixels:
        raise _too_many_pixels(f"{image.width} × {image.height}", settings)
    return image


def _too_many_pixels(got: object, settings: ImageSettings) -> InputError:
    return InputError(
        "the image has too many pixels",
        got=got,
        expected=f"at most {settings.max_image_pixels:,}",
        hint="Send a smaller copy",
    )


def _to_rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    image.load()
    if image.mode.startswith("I"):
        high_byte = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return Image.fromarray(high_byte).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, (*background, 255)), layer).convert("RGB")
    return image.convert("RGB")


def _turned(resized: Image.Image, original: Image.Image) -> Image.Image:
    """Turn the picture as the original's EXIF orientation says."""
    try:
        method = _TURNS.get(original.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001
        # Cameras and editors write EXIF blocks that Pillow fails on in many ways; the photo itself is fine.
        return resized
    return resized if method is None else resized.transpose(method)
