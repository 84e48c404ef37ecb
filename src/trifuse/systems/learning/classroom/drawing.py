"""Draws a learner at a desk as a webcam sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trifuse.systems.learning.classroom.learner import Colour, Learner
    from trifuse.systems.learning.classroom.poses import Point, Pose

    Image = NDArray[np.uint8]

WIDTH, HEIGHT = 160, 120
# Drawing takes coordinates in 1/16 of a pixel.
_SHIFT, _UNIT = 4, 16
_WHITE, _DARK, _LIPS = (245, 245, 245), (30, 25, 25), (150, 60, 60)
_PAPER, _GLASS = (250, 248, 240), (40, 60, 90)


class Studio:
    """One learner's camera: what never moves is drawn once."""

    def __init__(self, learner: Learner, rng: np.random.Generator) -> None:
        self._learner, self._rng = learner, rng
        self._radius = learner.head * HEIGHT
        self._background = self._room()

    def picture(self, pose: Pose) -> Image:
        """Draw a pose, RGB (120, 160, 3)."""
        image = self._background.copy()
        if pose.neighbour:
            self._neighbour(image, pose.neighbour)
        if pose.passer_by is not None:
            self._blob(image, (WIDTH * (0.5 + 0.6 * pose.passer_by), HEIGHT * 0.35), (90, 85, 95))
        if pose.here:
            self._person(image, pose)
        else:
            self._chair(image)
        self._desk(image)
        if pose.here:
            self._hands(image, pose)
        return self._film(image)

    def _room(self) -> Image:
        learner = self._learner
        image = np.full((HEIGHT, WIDTH, 3), learner.wall, np.uint8)
        if learner.shelf:
            left, right = self._rng.integers(0, WIDTH // 2), self._rng.integers(WIDTH // 2, WIDTH)
            colour = self._rng.integers(40, 220, 3).tolist()
            cv2.rectangle(image, (int(left), 0), (int(right), int(HEIGHT * 0.22)), colour, -1)
        return image

    def _person(self, image: Image, pose: Pose) -> None:
        learner, radius = self._learner, self._radius
        x, y = self._head(pose)
        shoulders = y + 1.9 * radius
        body = [
            (x - 1.9 * radius, HEIGHT),
            (x - 1.6 * radius, shoulders + 0.3 * radius),
            (x - 0.6 * radius, shoulders),
        ]
        body += [(2 * x - across, down) for across, down in reversed(body)]
        _polygon(image, body, learner.top)
        _ellipse(image, (x, y + 1.2 * radius), (0.4 * radius, 0.7 * radius), _shade(learner.skin, 0.85))
        if learner.long_hair:
            _ellipse(image, (x, y + 0.5 * radius), (1.1 * radius, 1.5 * radius), learner.hair)
        _ellipse(image, (x, y), (0.85 * radius, 1.05 * radius), learner.skin)
        self._hair(image, (x, y), pose)
        self._face(image, (x, y), pose)

    def _hair(self, image: Image, head: Point, pose: Pose) -> None:
        x, y = head
        radius = self._radius
        # A bent head shows more of its top, and a turned one its side.
        low = y - (0.55 - 0.75 * max(pose.pitch, -0.3)) * radius
        centre = (x - 0.25 * pose.yaw * radius, y - 0.35 * radius)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        _ellipse(mask, centre, (0.95 * radius, 0.9 * radius), 255)
        mask[max(0, min(HEIGHT, round(low))) :] = 0
        image[mask > 0] = self._learner.hair

    def _face(self, image: Image, head: Point, pose: Pose) -> None:
        radius = self._radius
        x, y = head[0] + 0.5 * pose.yaw * radius, head[1] + (0.1 + 0.45 * pose.pitch) * radius
        apart = 0.36 * radius * (1 - 0.5 * abs(pose.yaw))
        for side in (-1, 1):
            self._eye(image, (x + side * apart, y), pose)
        _ellipse(
            image,
            (x + 0.12 * pose.yaw * radius, y + 0.25 * radius),
            (0.07 * radius, 0.14 * radius),
            _shade(self._learner.skin, 0.8),
        )
        open_px = (0.05 + 0.2 * max(pose.mouth, 0.0)) * radius
        _ellipse(image, (x, y + 0.58 * radius), (0.26 * radius * (1 - 0.3 * abs(pose.yaw)), open_px), _LIPS)

    def _eye(self, image: Image, at: Point, pose: Pose) -> None:
        radius, open_px = self._radius, 0.13 * self._radius * max(pose.eyes, 0.12)
        _ellipse(
            image,
            at,
            (0.17 * radius, open_px),
            _WHITE if pose.eyes > 0.2 else _shade(self._learner.skin, 0.6),
        )
        if pose.eyes > 0.2:
            pupil = (at[0] + 0.09 * pose.gaze[0] * radius, at[1] + 0.06 * pose.gaze[1] * radius)
            _ellipse(image, pupil, (0.07 * radius, min(0.08 * radius, open_px)), _DARK)
        if self._learner.glasses:
            _ellipse(image, at, (0.24 * radius, 0.2 * radius), _DARK, thickness=1)

    def _hands(self, image: Image, pose: Pose) -> None:
        x, y = self._head(pose)
        radius, chin = self._radius, y + self._radius
        places = {
            side: hand and (x + hand[0] * radius, chin + hand[1] * radius)
            for side, hand in (("left", pose.left), ("right", pose.right))
        }
        if "book" in pose.things:
            down = self._learner.desk_y * HEIGHT
            _polygon(
                image,
                [
                    (x - 1.3 * radius, down + 12),
                    (x + 1.3 * radius, down + 12),
                    (x + 1.0 * radius, down + 2),
                    (x - 1.0 * radius, down + 2),
                ],
                _PAPER,
            )
        for side, place in places.items():
            if place:
                self._arm(image, (x + (-1.5 if side == "left" else 1.5) * radius, chin + 1.8 * radius), place)
        right = places["right"]
        if right and "pen" in pose.things:
            _line(image, right, (right[0] + 0.25 * radius, right[1] - 0.5 * radius), _DARK, 1)
        if right and "phone" in pose.things:
            corner = (right[0] - 0.55 * radius, right[1] - 0.55 * radius)
            _polygon(
                image,
                [
                    corner,
                    (corner[0] + 0.5 * radius, corner[1]),
                    (corner[0] + 0.5 * radius, corner[1] + 0.8 * radius),
                    (corner[0], corner[1] + 0.8 * radius),
                ],
                _GLASS,
            )

    def _arm(self, image: Image, elbow: Point, hand: Point) -> None:
        width = max(2, round(0.42 * self._radius))
        _line(image, elbow, hand, _shade(self._learner.top, 0.8), width)
        _ellipse(image, hand, (0.27 * self._radius, 0.27 * self._radius), self._learner.skin)

    def _neighbour(self, image: Image, side: int) -> None:
        self._blob(image, (WIDTH * (0.5 + 0.44 * side), HEIGHT * 0.45), (120, 100, 90))

    def _blob(self, image: Image, head: Point, colour: Colour) -> None:
        radius = 0.9 * self._radius
        _ellipse(image, (head[0], head[1] + 2.4 * radius), (1.4 * radius, 1.6 * radius), _shade(colour, 0.7))
        _ellipse(image, head, (0.8 * radius, radius), colour)

    def _chair(self, image: Image) -> None:
        x = WIDTH * (0.5 + self._learner.x)
        wide = 1.3 * self._radius
        _polygon(
            image,
            [(x - wide, HEIGHT), (x - wide, HEIGHT * 0.5), (x + wide, HEIGHT * 0.5), (x + wide, HEIGHT)],
            _shade(self._learner.desk, 0.5),
        )

    def _desk(self, image: Image) -> None:
        image[round(self._learner.desk_y * HEIGHT) :] = self._learner.desk

    def _head(self, pose: Pose) -> Point:
        learner, radius = self._learner, self._radius
        x = WIDTH * 0.5 + learner.x * HEIGHT + 0.35 * pose.yaw * radius
        return x, learner.y * HEIGHT + (0.25 * max(pose.pitch, 0) + 2 * pose.lean + pose.nod) * radius

    def _film(self, image: Image) -> Image:
        noise = self._rng.normal(0, self._learner.noise, (HEIGHT // 2, WIDTH // 2, 1))
        grain = cv2.resize(noise.astype(np.float32), (WIDTH, HEIGHT))[:, :, None]
        return np.asarray(np.clip(image * self._learner.light + grain, 0, 255), np.uint8)


def _ellipse(image: Image, centre: Point, axes: Point, colour: Any, thickness: int = -1) -> None:
    cv2.ellipse(image, _fixed(centre), _fixed(axes), 0, 0, 360, colour, thickness, cv2.LINE_AA, _SHIFT)


def _polygon(image: Image, points: list[Point], colour: Colour) -> None:
    cv2.fillPoly(image, [np.array([_fixed(point) for point in points])], colour, cv2.LINE_AA, _SHIFT)


def _line(image: Image, start: Point, end: Point, colour: Colour, width: int) -> None:
    cv2.line(image, _fixed(start), _fixed(end), colour, width, cv2.LINE_AA, _SHIFT)


def _fixed(point: Point) -> tuple[int, int]:
    return round(point[0] * _UNIT), round(point[1] * _UNIT)


def _shade(colour: Colour, share: float) -> Colour:
    red, green, blue = (round(part * share) for part in colour)
    return red, green, blue
