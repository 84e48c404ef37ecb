"""The places that cameras watch: a street, a station hall, a parking lot and a shop, as pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

from trifuse.systems.surveillance.rendering.props import Sprite, car, pillar, shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from trifuse.systems.surveillance.rendering.camera import Camera
    from trifuse.systems.surveillance.rendering.skeleton import Colour

    Image = NDArray[np.uint8]

_FAR_M = 60.0


@dataclass
class Place:
    """A picture without people, RGB (height, width, 3), and what stands in it, by its distance.

    `depths_m` is how near and how far people walk along z.
    """

    name: str
    indoors: bool
    picture: Image
    depths_m: tuple[float, float]
    sprites: list[Sprite] = field(default_factory=list)


def build_place(name: str, camera: Camera, rng: np.random.Generator) -> Place:
    """Draw one of `PLACES` as a camera sees it."""
    near = max(camera.nearest_m() + 1.2, 4.5)
    canvas = _Canvas(camera, rng)
    place = _PLACES[name](canvas, near, rng)
    place.picture = _textured(place.picture, rng)
    return place


class _Canvas:
    """A picture on which flat shapes of the world are painted."""

    def __init__(self, camera: Camera, rng: np.random.Generator) -> None:
        self.camera = camera
        self.image: Image = np.zeros((camera.height, camera.width, 3), np.uint8)
        self._rng = rng

    def shape(self, corners: Sequence[tuple[float, float, float]], colour: Colour) -> None:
        pixels, _ = self.camera.project(np.array(corners, dtype=np.float64))
        fixed = np.rint(np.clip(pixels, -8000, 8000) * 16).astype(np.int32)
        cv2.fillPoly(self.image, [fixed], colour, cv2.LINE_AA, 4)

    def floor(self, left: float, right: float, near: float, far: float, colour: Colour) -> None:
        self.shape([(left, 0, near), (right, 0, near), (right, 0, far), (left, 0, far)], colour)

    def wall(self, left: float, right: float, low: float, high: float, depth: float, colour: Colour) -> None:
        self.shape(
            [(left, low, depth), (right, low, depth), (right, high, depth), (left, high, depth)], colour
        )

    def tiles(self, colour: Colour, step: float, far: float) -> None:
        """Rule the floor with joints every `step` metres, 0.03 m wide."""
        near = self.camera.nearest_m() * 0.8
        reach = 2 * self.camera.half_view_m(far)
        for x in np.arange(-reach, reach, step):
            self.floor(x, x + 0.03, near, far, colour)
        for z in np.arange(near, far, step):
            self.floor(-reach, reach, z, z + 0.03, colour)

    def vary(self, colour: Colour, spread: float = 10.0) -> Colour:
        return _varied(colour, self._rng, spread)


def _varied(colour: Colour, rng: np.random.Generator, spread: float) -> Colour:
    tone = rng.normal(0.0, spread)
    red, green, blue = (int(np.clip(value + tone + rng.normal(0, spread / 3), 4, 250)) for value in colour)
    return red, green, blue


def _textured(picture: Image, rng: np.random.Generator) -> Image:
    """Roughen surfaces with grain and stains; shape (height, width, 3)."""
    height, width = picture.shape[:2]
    grain = rng.normal(0.0, rng.uniform(2.0, 7.0), (height, width)).astype(np.float32)
    stains = cv2.resize(
        rng.normal(0.0, 6.0, (9, 12)).astype(np.float32), (width, height), None, 0, 0, cv2.INTER_CUBIC
    )
    rough = picture.astype(np.float32) + (cv2.GaussianBlur(grain, (3, 3), 0) * 1.6 + stains)[..., None]
    return np.clip(rough, 0, 255).astype(np.uint8)


def _street(canvas: _Canvas, near: float, rng: np.random.Generator) -> Place:
    depth = near + float(rng.uniform(7.5, 11.0))
    canvas.image[:] = canvas.vary((178, 196, 214), 12)
    asphalt, paving = canvas.vary((98, 98, 102)), canvas.vary((160, 155, 148))
    canvas.floor(-60, 60, 0.6, _FAR_M, asphalt)
    kerb = float(rng.uniform(near + 1.5, depth - 3.5))
    canvas.floor(-60, 60, kerb, depth, paving)
    canvas.floor(-60, 60, kerb, kerb + 0.15, canvas.vary((190, 190, 186)))
    for x in np.arange(-24.0, 24.0, 3.0):
        canvas.floor(x, x + 1.4, kerb - 2.0, kerb - 1.85, (214, 212, 200))
    _facades(canvas, depth, rng)
    place = Place("street", False, canvas.image, (near, depth - 0.8))
    if rng.random() < 0.6:
        place.sprites.append(car(canvas.camera, float(rng.uniform(-4.5, 4.5)), depth - 2.2, rng))
    if rng.random() < 0.5:
        x = float(rng.choice((-1.0, 1.0)) * rng.uniform(1.3, 3.0))
        place.sprites.append(pillar(canvas.camera, x, near + 1.0, 0.14, 6.0, (70, 74, 76)))
    return place


def _facades(canvas: _Canvas, depth: float, rng: np.random.Generator) -> None:
    """Houses at the back, with windows, doors and shop fronts."""
    x = -26.0
    while x < 26.0:
        width = float(rng.uniform(4.0, 8.0))
        plaster = canvas.vary(
            ((186, 160, 132), (160, 110, 92), (200, 198, 190), (140, 146, 154))[rng.integers(4)], 14
        )
        canvas.wall(x, x + width, 0.0, float(rng.uniform(7.0, 14.0)), depth, plaster)
        glass = canvas.vary((70, 84, 98), 14)
        for left in np.arange(x + 0.5, x + width - 1.2, 1.9):
            for low in (3.4, 6.0):
                canvas.wall(left, left + 1.0, low, low + 1.5, depth, glass)
        shop = canvas.vary(((90, 110, 120), (196, 180, 130), (60, 60, 66))[rng.integers(3)], 14)
        canvas.wall(x + 0.4, x + width - 0.4, 0.3, 2.6, depth, shop)
        canvas.wall(x + 0.2, x + width - 0.2, 2.6, 3.1, depth, _varied((150, 90, 70), rng, 60))
        canvas.wall(x + width * 0.45, x + width * 0.45 + 1.0, 0.0, 2.2, depth, canvas.vary((74, 58, 48), 14))
        x += width


def _hall(canvas: _Canvas, near: float, rng: np.random.Generator) -> Place:
    depth = near + float(rng.uniform(8.0, 13.0))
    canvas.image[:] = canvas.vary((150, 150, 156), 12)
    floor = canvas.vary(((176, 172, 164), (140, 142, 148), (190, 180, 160))[rng.integers(3)])
    canvas.floor(-60, 60, 0.6, depth, floor)
    canvas.tiles(
        _varied(floor, rng, 1.0)[:1] * 3 if rng.random() < 0.3 else canvas.vary((128, 126, 122)),
        float(rng.uniform(0.8, 1.6)),
        depth,
    )
    canvas.wall(-30, 30, 0.0, 9.0, depth, canvas.vary((198, 192, 178), 14))
    for x in np.arange(-16.0, 16.0, float(rng.uniform(3.0, 5.0))):
        canvas.wall(x, x + 1.8, 0.0, 2.4, depth, canvas.vary((84, 96, 108), 16))
        canvas.wall(x, x + 2.2, 3.0, 4.3, depth, _varied((120, 120, 120), rng, 55))
    canvas.wall(-3.0, 3.0, 4.6, 5.8, depth - 0.1, (26, 30, 38))
    for low in (4.75, 5.05, 5.35):
        canvas.wall(-2.8, float(rng.uniform(0.5, 2.8)), low, low + 0.14, depth - 0.1, (224, 178, 70))
    place = Place("hall", True, canvas.image, (near, depth - 2.0))
    stone = canvas.vary((172, 166, 154), 14)
    for x in rng.choice((-5.0, -3.2, 3.0, 4.8), int(rng.integers(1, 4)), replace=False):
        z = float(rng.uniform(near + 0.8, depth - 4.0))
        place.sprites.append(pillar(canvas.camera, float(x), z, float(rng.uniform(0.4, 0.7)), 7.0, stone))
    return place


def _parking(canvas: _Canvas, near: float, rng: np.random.Generator) -> Place:
    depth = near + float(rng.uniform(11.0, 16.0))
    canvas.image[:] = canvas.vary((172, 186, 200), 14)
    canvas.floor(-60, 60, 0.6, _FAR_M, canvas.vary((92, 110, 78), 8))
    canvas.floor(-60, 60, 0.6, depth, canvas.vary((104, 104, 106)))
    bay = float(rng.uniform(depth - 5.5, depth - 4.8))
    for x in np.arange(-20.0, 20.0, 2.7):
        canvas.floor(x, x + 0.12, bay, depth - 0.4, (206, 206, 200))
    for x in np.arange(-18.65, 18.0, 2.7):
        canvas.wall(x - 1.3, x + 1.3, 0.0, 1.1, depth + 1.0, canvas.vary((120, 124, 120), 12))
    for x in np.arange(-30.0, 30.0, 2.0):
        canvas.wall(x, x + 1.9, 1.0, float(rng.uniform(2.2, 4.5)), depth + 2.5, canvas.vary((70, 96, 62), 14))
    place = Place("parking", False, canvas.image, (near, bay - 0.6))
    for x in np.arange(-12.15, 13.0, 2.7):
        if rng.random() < 0.55:
            place.sprites.append(car(canvas.camera, float(x), bay + 1.6, rng, head_on=True))
    if rng.random() < 0.35:
        side = float(rng.choice((-1.0, 1.0)) * rng.uniform(2.8, 3.8))
        place.sprites.append(car(canvas.camera, side, near + 0.6, rng))
    return place


def _shop(canvas: _Canvas, near: float, rng: np.random.Generator) -> Place:
    depth = near + float(rng.uniform(6.5, 9.0))
    canvas.image[:] = canvas.vary((206, 204, 198), 8)
    floor = canvas.vary(((200, 196, 186), (170, 160, 146), (212, 212, 210))[rng.integers(3)])
    canvas.floor(-60, 60, 0.6, depth, floor)
    canvas.tiles(canvas.vary((168, 164, 156)), float(rng.uniform(0.5, 0.9)), depth)
    canvas.wall(-30, 30, 0.0, 5.0, depth, canvas.vary((216, 208, 192), 12))
    for x in np.arange(-9.0, 9.0, 2.3):
        _goods(canvas, x, x + 2.1, depth - 0.4, rng)
    place = Place("shop", True, canvas.image, (near, depth - 1.4))
    for side in (-1.0, 1.0):
        if rng.random() < 0.7:
            z = float(rng.uniform(near + 0.5, depth - 4.0))
            x = side * (canvas.camera.half_view_m(z) * float(rng.uniform(0.75, 1.0)))
            place.sprites.append(shelf(canvas.camera, x, z, rng))
    return place


def _goods(canvas: _Canvas, left: float, right: float, depth: float, rng: np.random.Generator) -> None:
    canvas.wall(left, right, 0.0, 2.1, depth, canvas.vary((150, 146, 140)))
    for low in (0.15, 0.65, 1.15, 1.65):
        for x in np.arange(left + 0.05, right - 0.25, 0.3):
            high = low + float(rng.uniform(0.22, 0.4))
            canvas.wall(x, x + 0.26, low, high, depth, _varied((140, 120, 110), rng, 50))


_PLACES: dict[str, Callable[[_Canvas, float, np.random.Generator], Place]] = {
    "street": _street,
    "hall": _hall,
    "parking": _parking,
    "shop": _shop,
}
PLACES = tuple(_PLACES)
