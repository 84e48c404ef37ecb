"""The stage for stories: where the camera is, who enters and leaves, what is heard and said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifuse.synthesis.movie import Line
from trifuse.synthesis.soundtrack import Microphone, Sound
from trifuse.systems.surveillance.rendering.actors import Actor
from trifuse.systems.surveillance.rendering.camera import mount
from trifuse.systems.surveillance.rendering.film import load_film
from trifuse.systems.surveillance.rendering.places import PLACES, build_place
from trifuse.systems.surveillance.rendering.shot import Prop, Scene
from trifuse.systems.surveillance.rendering.wardrobe import person
from trifuse.systems.surveillance.scenario.lines import LANGUAGES, Writer

if TYPE_CHECKING:
    import numpy as np

    from trifuse.systems.surveillance.rendering.actors import Spot
    from trifuse.systems.surveillance.rendering.camera import Camera
    from trifuse.systems.surveillance.rendering.film import Film
    from trifuse.systems.surveillance.rendering.places import Place
    from trifuse.systems.surveillance.rendering.skeleton import Body, Colour

_CAST = 9
_WALK_M_PER_S = (0.9, 1.6)
_STAGE_DEPTH_M = 3.5
_WINGS_M = 0.8
_CLEAR_M, _TRIES = 2.2, 20
_BEDS = {
    "street": ("traffic", "wind", "rain"),
    "hall": ("murmur", "hum"),
    "parking": ("wind", "traffic", "rain"),
    "shop": ("hum", "murmur"),
}
_BED_DB, _GAIN_DB = (-46.0, -30.0), (-8.0, 4.0)
_HIGH_HZ = (3200.0, 7500.0)
# Peaks of what is heard, against full scale.
LOUD_DB, SOFT_DB = (-9.0, -1.0), (-22.0, -10.0)
_READING_S, _SHORTEST_LINE_S = (1.6, 3.5), 0.2


@dataclass(frozen=True)
class Setting:
    """What all recordings of a source share: place, camera, microphone and people."""

    place: Place
    camera: Camera
    film: Film
    microphone: Microphone
    cast: tuple[Body, ...]


def find_setting(size: tuple[int, int], rng: np.random.Generator, *, steady: bool = False) -> Setting:
    """Choose a place and hang a camera there for pictures of a size; a `steady` one does not shake."""
    camera = mount(size, rng)
    place = build_place(PLACES[rng.integers(len(PLACES))], camera, rng)
    beds = _BEDS[place.name]
    microphone = Microphone(
        bed=beds[rng.integers(len(beds))],
        bed_db=float(rng.uniform(*_BED_DB)),
        echo=place.indoors,
        gain_db=float(rng.uniform(*_GAIN_DB)),
        high_hz=float(rng.uniform(*_HIGH_HZ)),
        seed=int(rng.integers(2**31)),
    )
    film = load_film(camera, indoors=place.indoors, steady=steady, rng=rng)
    return Setting(place, camera, film, microphone, tuple(person(rng) for _ in range(_CAST)))


class Stage:
    """A scene that is being set, with its sounds and subtitles; times are seconds of the recording."""

    def __init__(self, setting: Setting, split: str, rng: np.random.Generator) -> None:
        self.setting, self.rng = setting, rng
        self.scene = Scene(setting.camera, setting.place, setting.film)
        self.sounds: list[Sound] = []
        self.lines: list[Line] = []
        # Spots that nobody else is sent to, such as where a bag stands.
        self.kept_clear: list[Spot] = []
        self._writer = Writer(split, rng)
        self._waiting: list[Body] = []

    def spot(self, share: float = 0.55) -> Spot:
        """Choose a spot in view, within a share of the picture's width, not far from the camera."""
        near, far = self.setting.place.depths_m
        spot = (0.0, near)
        for _ in range(_TRIES):
            z = float(self.rng.uniform(near, min(near + _STAGE_DEPTH_M, far)))
            reach = share * self.setting.camera.half_view_m(z)
            spot = float(self.rng.uniform(-reach, reach)), z
            if self._is_clear(spot):
                break
        return spot

    def near(self, spot: Spot, distance_m: float) -> Spot:
        """Choose a spot at a distance from another, beside it rather than behind it."""
        beside = spot
        for _ in range(_TRIES):
            angle = float(self.rng.uniform(-0.5, 0.5)) + (math.pi if self.rng.random() < 0.5 else 0.0)
            x, z = spot[0] + distance_m * math.cos(angle), spot[1] + distance_m * math.sin(angle)
            beside = self._on_floor((x, z))
            if self._is_clear(beside):
                break
        return beside

    def wings(self, spot: Spot) -> Spot:
        """Choose a spot out of view to the left or the right of another."""
        side = -1.0 if self.rng.random() < 0.5 else 1.0
        z = self._on_floor((0.0, spot[1] + float(self.rng.uniform(-1.5, 1.5))))[1]
        return side * (self.setting.camera.half_view_m(z) + _WINGS_M), z

    def enter(
        self,
        spot: Spot,
        at_s: float,
        *,
        origin: Spot | None = None,
        motion: str = "walk",
        body: Body | None = None,
    ) -> Actor:
        """Bring on somebody who walks in and reaches a spot at a time."""
        body = body or self._next_body()
        origin = origin or self.wings(spot)
        speed = float(self.rng.uniform(*_WALK_M_PER_S))
        begin_s = at_s - math.dist(origin, spot) / speed
        actor = Actor(body, begin_s, origin, float(self.rng.uniform(0, 2 * math.pi)))
        actor.goes(spot, speed, motion)
        self.scene.actors.append(actor)
        return actor

    def leave(self, actor: Actor, motion: str = "walk", speed_m_per_s: float | None = None) -> None:
        """Send somebody out of view."""
        actor.goes(self.wings(actor.spot), speed_m_per_s or float(self.rng.uniform(*_WALK_M_PER_S)), motion)

    def prop(self, kind: str, colour: Colour) -> Prop:
        """Bring a thing, which is nowhere yet."""
        prop = Prop(kind, colour)
        self.scene.props.append(prop)
        return prop

    def hear(self, kind: str, start_s: float, duration_s: float, level_db: tuple[float, float]) -> None:
        """Add a sound whose peak lies between two levels."""
        level, seed = float(self.rng.uniform(*level_db)), int(self.rng.integers(2**31))
        self.sounds.append(Sound(kind, start_s, duration_s, level, seed))

    def say(self, topic: str, start_s: float, end_s: float) -> None:
        """Subtitle a sentence on a topic from one time to another."""
        language = LANGUAGES[self.rng.integers(len(LANGUAGES))]
        self.lines.append(Line(start_s, end_s, self._writer.line(topic, language)))

    def keep_saying(self, topic: str, start_s: float, end_s: float, pause_s: float = 0.2) -> None:
        """Subtitle sentence after sentence on a topic."""
        while end_s - start_s > 0.5:
            stop_s = min(start_s + float(self.rng.uniform(*_READING_S)), end_s)
            self.say(topic, start_s, stop_s)
            start_s = stop_s + pause_s

    def subtitles(self, duration_s: float) -> list[Line]:
        """List what is said between 0 s and an end, one line after the other: who speaks next cuts in."""
        lines = sorted(line for line in self.lines if line.end_s > 0.0 and line.start_s < duration_s)
        ends = [line.start_s for line in lines[1:]] + [duration_s]
        cut = [
            Line(max(line.start_s, 0.0), min(line.end_s, end_s, duration_s), line.text)
            for line, end_s in zip(lines, ends, strict=True)
        ]
        return [line for line in cut if line.end_s - line.start_s >= _SHORTEST_LINE_S]

    def _next_body(self) -> Body:
        """Take everybody of the cast in turn, so that no two people who meet are dressed alike."""
        if not self._waiting:
            cast = self.setting.cast
            self._waiting = [cast[index] for index in self.rng.permutation(len(cast))]
        return self._waiting.pop()

    def _is_clear(self, spot: Spot) -> bool:
        return all(abs(spot[0] - x) > _CLEAR_M for x, _ in self.kept_clear)

    def _on_floor(self, spot: Spot) -> Spot:
        near, far = self.setting.place.depths_m
        return spot[0], min(max(spot[1], near), far)
