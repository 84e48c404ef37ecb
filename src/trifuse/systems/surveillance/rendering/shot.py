"""Films a scene: people, things and shadows in a place, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

from trifuse.systems.surveillance.rendering.figures import Figure
from trifuse.systems.surveillance.rendering.props import PROP_SIZES_M, draw_prop
from trifuse.systems.surveillance.rendering.skeleton import Joint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from trifuse.systems.surveillance.rendering.actors import Actor, Spot
    from trifuse.systems.surveillance.rendering.camera import Camera
    from trifuse.systems.surveillance.rendering.film import Film
    from trifuse.systems.surveillance.rendering.places import Place
    from trifuse.systems.surveillance.rendering.skeleton import Colour, Track

    Image = NDArray[np.uint8]

_TROLLEY_AHEAD_M = 0.75


@dataclass
class Prop:
    """A thing that is carried about: from each time on with an actor or at a spot; None takes it away."""

    kind: str
    colour: Colour
    stays: list[tuple[float, Actor | Spot | None]] = field(default_factory=list)


@dataclass
class Scene:
    """What a camera sees; `brightness` holds times from which the light has another strength, from 0 s on."""

    camera: Camera
    place: Place
    film: Film
    actors: list[Actor] = field(default_factory=list)
    props: list[Prop] = field(default_factory=list)
    brightness: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 1.0)])

    def frames(self, duration_s: float, fps: int) -> Iterator[Image]:
        """Film the scene from 0 s on: RGB pictures (height, width, 3)."""
        time_s = np.arange(round(duration_s * fps)) / fps
        roles = [_Role(actor, self, time_s) for actor in self.actors]
        begins = [role for role in roles if role.last > role.first]
        begins.sort(key=lambda role: role.first, reverse=True)
        present: list[_Role] = []
        for frame, now_s in enumerate(time_s):
            while begins and begins[-1].first <= frame:
                present.append(begins.pop())
            present = [role for role in present if frame < role.last]
            image = self._compose(present, frame, float(now_s))
            yield self.film.develop(image, frame, self._brightness(float(now_s)))

    def _compose(self, present: list[_Role], frame: int, now_s: float) -> Image:
        image = self._shaded(present, frame)
        sprites = self.place.sprites
        layers: list[tuple[float, Callable[[Image], None]]] = [
            (sprite.depth_m, sprite.draw) for sprite in sprites
        ]
        layers += [(role.depth_m(frame), role.drawn(frame)) for role in present]
        for prop in self.props:
            where = self._find(prop, present, frame, now_s)
            if where is not None:
                layers.append((float(where[2]) - 0.05, self._drawn(prop, where)))
        for _, draw in sorted(layers, key=lambda layer: -layer[0]):
            draw(image)
        return image

    def _shaded(self, present: list[_Role], frame: int) -> Image:
        """The empty place with everybody's shadow."""
        if not present:
            return self.place.picture.copy()
        mask = np.full((self.camera.height, self.camera.width), 255, np.uint8)
        for role in present:
            role.figure.draw_shadow(mask, frame - role.first, self.film.shadow)
        shadows = cv2.merge([cv2.blur(mask, (3, 3))] * 3)
        return np.asarray(cv2.multiply(self.place.picture, shadows, scale=1 / 255), dtype=np.uint8)

    def _find(self, prop: Prop, present: list[_Role], frame: int, now_s: float) -> Track | None:
        """Where the bottom of a thing is (x, y, z), if it is there at all."""
        stays = [where for since_s, where in prop.stays if since_s <= now_s]
        if not stays or stays[-1] is None:
            return None
        holder = stays[-1]
        if isinstance(holder, tuple):
            return np.array([holder[0], 0.0, holder[1]])
        role = next((role for role in present if role.actor is holder), None)
        return None if role is None else role.held(prop.kind, frame)

    def _drawn(self, prop: Prop, where: Track) -> Callable[[Image], None]:
        return lambda image: draw_prop(image, prop.kind, prop.colour, self.camera, where)

    def _brightness(self, now_s: float) -> float:
        return [value for since_s, value in self.brightness if since_s <= now_s][-1]


class _Role:
    """An actor's part in the film: the figure from frame `first` until before frame `last`."""

    def __init__(self, actor: Actor, scene: Scene, time_s: Track) -> None:
        self.actor = actor
        self.first = int(np.searchsorted(time_s, actor.enters_s))
        self.last = int(np.searchsorted(time_s, actor.time_s))
        self.points_m = actor.joints_m(time_s[self.first : self.last])
        self.figure = Figure(actor.body, self.points_m, scene.camera, scene.film.sun)

    def depth_m(self, frame: int) -> float:
        return float(self.figure.depth_m[frame - self.first])

    def drawn(self, frame: int) -> Callable[[Image], None]:
        return lambda image: self.figure.draw(image, frame - self.first)

    def held(self, kind: str, frame: int) -> Track:
        """Where a thing is that the person carries in the right hand, or pushes: (x, y, z)."""
        points = self.points_m[frame - self.first]
        if kind != "trolley":
            hand: Track = points[Joint.RIGHT_HAND].copy()
            hand[1] = max(hand[1] - PROP_SIZES_M[kind][1] * 0.95, 0.0)
            return hand
        right = points[Joint.RIGHT_HIP] - points[Joint.LEFT_HIP]
        forward = np.array([-right[2], 0.0, right[0]]) / max(float(np.hypot(right[0], right[2])), 1e-6)
        ahead: Track = points[Joint.PELVIS] * [1.0, 0.0, 1.0] + forward * _TROLLEY_AHEAD_M
        return ahead
