"""What a camera makes of a picture: light, shake, blur, noise, colour or none, and the date in the corner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from cv2.typing import MatLike
    from numpy.typing import NDArray

    from trifuse.systems.surveillance.rendering.camera import Camera

    Image = NDArray[np.uint8]

_OUTDOORS, _INDOORS = (("day", 0.5), ("dusk", 0.2), ("night", 0.3)), (("lit", 0.75), ("dim", 0.25))
_BRIGHTNESS = {
    "day": (0.9, 1.08),
    "dusk": (0.55, 0.75),
    "night": (0.46, 0.65),
    "lit": (0.85, 1.05),
    "dim": (0.5, 0.7),
}
_INFRARED_SHARE, _SOFT_SHARE, _DATED_SHARE, _SHAKY_SHARE = 0.4, 0.3, 0.4, 0.15
_NOISE_PICTURES = 4
_SHAKE_PX_PER_WIDTH = 1 / 160


@dataclass(frozen=True)
class Film:
    """A camera's light and flaws; `gains` is uint8 (height, width, 3) with 128 for unchanged."""

    light: str
    sun: tuple[float, float]
    shadow: int
    gains: Image
    noise: tuple[Image, ...]
    grey: bool
    soft: bool
    shake_px: float
    date: str | None
    # x264's constant rate factor: how hard the recorder compresses.
    crf: int

    def develop(self, image: Image, frame: int, brightness: float) -> Image:
        """Turn a picture of the world into the camera's, RGB (height, width, 3), at a brightness about 1."""
        picture = self._shaken(image, frame) if self.shake_px else image
        picture = cv2.multiply(picture, self.gains, scale=brightness / 128)
        if self.soft:
            picture = cv2.GaussianBlur(picture, (3, 3), 0)
        if self.grey:
            picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        grain = np.roll(self.noise[frame % _NOISE_PICTURES], frame * 37, axis=1)
        picture = cv2.addWeighted(picture, 1.0, grain, 1.0, -128.0)
        if self.date:
            _write_date(picture, self.date)
        return np.asarray(picture, np.uint8)

    def _shaken(self, image: Image, frame: int) -> MatLike:
        x = self.shake_px * np.sin(frame * 0.9 + np.sin(frame * 0.37) * 2)
        y = self.shake_px * 0.6 * np.cos(frame * 1.1 + 0.5)
        shift = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
        size = (image.shape[1], image.shape[0])
        return cv2.warpAffine(image, shift, size, borderMode=cv2.BORDER_REPLICATE)


def load_film(camera: Camera, *, indoors: bool, steady: bool, rng: np.random.Generator) -> Film:
    """Choose time of day and the camera's flaws; a `steady` camera does not shake."""
    lights = _INDOORS if indoors else _OUTDOORS
    light = lights[rng.choice(len(lights), p=[share for _, share in lights])][0]
    dark = light in ("night", "dim")
    sunny = light == "day" and rng.random() < 0.6
    shaky = rng.random() < _SHAKY_SHARE and not steady
    date = f"CAM {rng.integers(1, 17):02d}  2025-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
    return Film(
        light=light,
        sun=(float(rng.uniform(-0.9, 0.9)), float(rng.uniform(-0.2, 0.6))) if sunny else (0.0, 0.0),
        shadow=int(rng.integers(120, 165)) if sunny else int(rng.integers(170, 215)),
        gains=_gains(camera, light, rng),
        noise=_noise(camera, float(rng.uniform(5.0, 11.0) if dark else rng.uniform(1.0, 5.0)), rng),
        grey=bool(light == "night" and rng.random() < _INFRARED_SHARE),
        soft=bool(rng.random() < _SOFT_SHARE),
        shake_px=camera.width * _SHAKE_PX_PER_WIDTH * float(rng.uniform(0.3, 1.0)) if shaky else 0.0,
        date=date if rng.random() < _DATED_SHARE else None,
        crf=int(rng.integers(27, 34)),
    )


def _gains(camera: Camera, light: str, rng: np.random.Generator) -> Image:
    """Brightness and colour of the light over the picture, with lamps at night and dark corners."""
    height, width = camera.height, camera.width
    x, y = np.meshgrid(
        np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    )
    level = np.full((height, width), rng.uniform(*_BRIGHTNESS[light]), np.float32)
    if light in ("night", "dim", "dusk"):
        for _ in range(int(rng.integers(1, 4))):
            middle, reach = rng.uniform(-0.9, 0.9, 2), rng.uniform(0.3, 0.8)
            level += rng.uniform(0.15, 0.45) * np.exp(
                -((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / reach**2
            )
    level *= 1.0 - rng.uniform(0.0, 0.14) * (x * x + y * y)
    warmth = rng.uniform(-0.02, 0.16) if light in ("night", "dim", "dusk") else rng.uniform(-0.06, 0.06)
    tint = np.array([1 + warmth, 1.0, 1 - warmth], np.float32)
    return np.asarray(np.clip(level[..., None] * tint * 128, 0, 255), np.uint8)


def _noise(camera: Camera, deviation: float, rng: np.random.Generator) -> tuple[Image, ...]:
    """Grain about 128, partly in colour."""
    size = (camera.height, camera.width, 1)
    grain = [rng.standard_normal(size, dtype=np.float32) for _ in range(_NOISE_PICTURES)]
    tint = 1.0 + 0.25 * rng.standard_normal(3).astype(np.float32)
    return tuple(np.clip(128 + deviation * one * tint, 0, 255).astype(np.uint8) for one in grain)


def _write_date(picture: MatLike, date: str) -> None:
    size = picture.shape[1] / 900
    where = (round(16 * size), round(42 * size))
    cv2.putText(picture, date, where, cv2.FONT_HERSHEY_SIMPLEX, size, (230, 230, 230), 1, cv2.LINE_AA)
