"""Draws people: limbs, trunk, clothes, head and shadow from the joints of a body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from trifuse.systems.surveillance.rendering.skeleton import Joint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trifuse.systems.surveillance.rendering.camera import Camera, Points
    from trifuse.systems.surveillance.rendering.skeleton import Body, Colour, Track

    Image = NDArray[np.uint8]
    # Drawing takes coordinates in 1/16 of a pixel.
    Fixed = NDArray[np.int32]

_SHIFT = 4
_FAR_SIDE, _ARM_SIDE, _LIT_SIDE, _NECK_SIDE = 0.74, 0.9, 1.12, 0.85
_SLIMMEST_PX = 0.7
_CIRCLE = np.stack([(np.cos(turn), np.sin(turn)) for turn in np.arange(8) * np.pi / 4])

# Limbs by their joints, with the radius at both ends as a share of the body's height.
_LEG = (("HIP", "KNEE", 0.05, 0.036), ("KNEE", "FOOT", 0.036, 0.024), ("FOOT", "TOE", 0.024, 0.02))
_ARM = (("SHOULDER", "ELBOW", 0.034, 0.027), ("ELBOW", "HAND", 0.026, 0.019))
_TRUNK = (("LEFT_SHOULDER", 0.036), ("RIGHT_SHOULDER", 0.036), ("LEFT_HIP", 0.055), ("RIGHT_HIP", 0.055))
_SKIRT = (("LEFT_HIP", 0.06), ("RIGHT_HIP", 0.06), ("LEFT_KNEE", 0.055), ("RIGHT_KNEE", 0.055))
_HEAD, _HAIR, _NECK, _HAND, _FOOT = 0.064, 0.068, 0.035, 0.022, 0.1
_SHADOW_PARTS = (
    (Joint.NECK, Joint.PELVIS, 0.2),
    (Joint.LEFT_HIP, Joint.LEFT_FOOT, 0.1),
    (Joint.RIGHT_HIP, Joint.RIGHT_FOOT, 0.1),
    (Joint.NECK, Joint.HEAD, 0.13),
)


class Figure:
    """A person on film: everything that is drawn, worked out for all frames (T) at once."""

    def __init__(self, body: Body, points_m: Track, camera: Camera, sun: tuple[float, float]) -> None:
        """Take joints (T, joints, 3) in metres; the sun moves the shadow of what is 1 m high by (x, z)."""
        self.body = body
        self.depth_m: Track = points_m[:, Joint.PELVIS, 2]
        self._pixels, scale = camera.project(points_m)
        self._metre = scale * body.height_m
        self._left_is_near = (
            points_m[:, Joint.LEFT_SHOULDER, 2] < points_m[:, Joint.RIGHT_SHOULDER, 2]
        ).tolist()
        self._limbs = {
            (side, limb): [self._limb(side, *part) for part in parts]
            for side in ("LEFT", "RIGHT")
            for limb, parts in (("LEG", _LEG), ("ARM", _ARM))
        }
        self._hands = {side: self._discs(self._at(f"{side}_HAND"), _HAND) for side in ("LEFT", "RIGHT")}
        self._trunk, self._lit_trunk = self._rings(_TRUNK), self._rings(_TRUNK, 0.55, -0.02)
        self._skirt = self._rings(_SKIRT)
        self._head = self._head_discs(points_m)
        self._shadow = self._shadow_lines(points_m, camera, sun)

    def draw_shadow(self, mask: Image, frame: int, value: int) -> None:
        """Draw the shadow of one frame into a mask (height, width)."""
        for (start, end, _), thickness in zip(_SHADOW_PARTS, self._shadow[1][frame], strict=True):
            first, second = self._shadow[0][frame][start], self._shadow[0][frame][end]
            cv2.line(mask, first, second, value, thickness, cv2.LINE_AA, _SHIFT)

    def draw(self, image: Image, frame: int) -> None:
        """Draw the person as seen in one frame, RGB (height, width, 3)."""
        near, far = ("LEFT", "RIGHT") if self._left_is_near[frame] else ("RIGHT", "LEFT")
        body = self.body
        self._draw_arm(image, frame, far, _FAR_SIDE)
        self._draw_leg(image, frame, far, _FAR_SIDE)
        self._draw_leg(image, frame, near, 1.0)
        if body.skirt:
            _hull(image, self._skirt[frame], body.bottom)
        _hull(image, self._trunk[frame], body.top)
        _hull(image, self._lit_trunk[frame], _shaded(body.top, _LIT_SIDE))
        for discs, colour in self._head:
            _disc(image, discs[frame], colour)
        self._draw_arm(image, frame, near, _ARM_SIDE)

    def _draw_leg(self, image: Image, frame: int, side: str, light: float) -> None:
        body = self.body
        shin = body.skin if body.skirt else body.bottom
        colours = (body.bottom, shin, body.shoes)
        for (quads, ends), colour in zip(self._limbs[side, "LEG"], colours, strict=True):
            _limb(image, quads[frame], ends[frame], _shaded(colour, light))

    def _draw_arm(self, image: Image, frame: int, side: str, light: float) -> None:
        for quads, ends in self._limbs[side, "ARM"]:
            _limb(image, quads[frame], ends[frame], _shaded(self.body.top, light))
        _disc(image, self._hands[side][frame], _shaded(self.body.skin, light))

    def _at(self, joint: str) -> Points:
        return self._pixels[:, Joint[joint]]

    def _limb(self, side: str, start: str, end: str, wide: float, narrow: float) -> tuple[Fixed, list[Any]]:
        """A limb's quadrilaterals (T, 4, 2) and the discs (T, 3) at its end."""
        first, second = Joint[f"{side}_{start}"], Joint[f"{side}_{end}"]
        begin, finish = self._pixels[:, first], self._pixels[:, second]
        radii = self.body.build * self._metre[:, [first, second]] * [wide, narrow]
        radii = np.maximum(radii, _SLIMMEST_PX)
        along = finish - begin
        length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
        normal = along[:, ::-1] * [-1.0, 1.0] / length
        out, out_end = normal * radii[:, :1], normal * radii[:, 1:]
        quads = np.stack([begin + out, finish + out_end, finish - out_end, begin - out], axis=1)
        return _fixed(quads), _fixed(np.concatenate([finish, radii[:, 1:]], axis=1)).tolist()

    def _rings(self, parts: tuple[tuple[str, float], ...], share: float = 1.0, shift: float = 0.0) -> Fixed:
        """Points around joints of which the hull is drawn: (T, n, 2)."""
        rings = []
        for joint, radius in parts:
            metre = self._metre[:, Joint[joint], None, None]
            reach = np.maximum(metre * radius * self.body.build * share, _SLIMMEST_PX)
            rings.append(self._at(joint)[:, None] + metre * [shift, 0.0] + _CIRCLE * reach)
        return _fixed(np.concatenate(rings, axis=1))

    def _head_discs(self, points_m: Track) -> list[tuple[list[Any], Colour]]:
        """Neck, hair, face and hat as discs (T, 3); of a head that is turned away, the face has no size."""
        body, metre = self.body, self._metre[:, Joint.HEAD, None]
        neck, head = self._at("NECK"), self._at("HEAD")
        up = (head - neck) / np.maximum(np.hypot(*(head - neck).T), 1e-6)[:, None]
        toes, feet = (self._at(f"LEFT_{end}") + self._at(f"RIGHT_{end}") for end in ("TOE", "FOOT"))
        facing = np.clip((toes - feet) / 2 / (_FOOT * metre), -1.0, 1.0)
        away = points_m[:, Joint.LEFT_SHOULDER, 0] < points_m[:, Joint.RIGHT_SHOULDER, 0]
        seen = ~away | (np.abs(facing[:, 0]) > 0.4)
        face = head + (facing * [0.5, 0.15] - up * 0.35) * _HEAD * 0.6 * metre
        discs = [
            (self._discs((neck * 2 + head) / 3, _NECK), _shaded(body.skin, _NECK_SIDE)),
            (self._discs(head, _HAIR), body.hair),
            (self._discs(face, _HEAD * 0.78 * seen), body.skin),
        ]
        if body.hat:
            discs.append((self._discs(head + up * 0.035 * metre, _HEAD * 0.9), body.top))
        return discs

    def _discs(self, centres: Points, radius: float | Points) -> list[Any]:
        discs: list[Any] = _fixed(np.column_stack([centres, radius * self._metre[:, Joint.HEAD]])).tolist()
        return discs

    def _shadow_lines(
        self, points_m: Track, camera: Camera, sun: tuple[float, float]
    ) -> tuple[list[Any], list[Any]]:
        """Joints cast on the ground (T, joints, 2) and the thickness of the parts in pixels (T, parts)."""
        ground = points_m.copy()
        ground[..., 0] += points_m[..., 1] * sun[0]
        ground[..., 2] += points_m[..., 1] * sun[1]
        ground[..., 1] = 0.0
        widths = self._metre[:, Joint.PELVIS, None] * [width for *_, width in _SHADOW_PARTS]
        thickness = np.maximum(np.rint(widths), 1).astype(int)
        return _fixed(camera.project(ground)[0]).tolist(), thickness.tolist()


def _fixed(values: Points) -> Fixed:
    return np.rint(values * (1 << _SHIFT)).astype(np.int32)


def _hull(image: Image, points: Fixed, colour: Colour) -> None:
    cv2.fillConvexPoly(image, cv2.convexHull(points), colour, cv2.LINE_AA, _SHIFT)


def _limb(image: Image, quad: Fixed, end: list[int], colour: Colour) -> None:
    cv2.fillConvexPoly(image, quad, colour, cv2.LINE_AA, _SHIFT)
    _disc(image, end, colour)


def _disc(image: Image, disc: list[int], colour: Colour) -> None:
    x, y, radius = disc
    if radius > 0:
        cv2.circle(image, (x, y), radius, colour, -1, cv2.LINE_AA, _SHIFT)


def _shaded(colour: Colour, light: float) -> Colour:
    red, green, blue = colour
    return min(round(red * light), 255), min(round(green * light), 255), min(round(blue * light), 255)
