"""Objects left behind are found on drawn recordings: a floor, people who walk and stand, bags."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from trifuse.errors import ConfigurationError, InputError
from trifuse.systems.surveillance.scene.analyser import (
    SCENE_FEATURES,
    LeftObject,
    SceneAnalyser,
    SceneSettings,
)
from trifuse.systems.surveillance.scene.close_look import CloseLook
from trifuse.systems.surveillance.scene.perspective import Perspective
from trifuse.systems.surveillance.scene.regions import Box, Region
from trifuse.systems.surveillance.scene.watched_object import WatchedObject

WIDTH, HEIGHT = 640, 360
DWELL_S = 6.0
FPS = 3.0
Colour = tuple[int, int, int]
Light = Callable[[float], NDArray[np.float32] | float]


def _floor(seed: int) -> NDArray[np.uint8]:
    """Grey tiles with grain and a darker wall at the back."""
    rng = np.random.default_rng(seed)
    floor = np.full((HEIGHT, WIDTH, 3), 140.0) + rng.normal(0, 4, (HEIGHT, WIDTH, 1))
    floor[:90] -= 40
    floor[:, ::45] -= 25
    floor[90::30] -= 25
    return np.clip(cv2.GaussianBlur(floor, (3, 3), 0), 0, 255).astype(np.uint8)


FLOOR = _floor(0)
_RNG = np.random.default_rng(1)
NOISE = [_RNG.integers(0, 12, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(4)]


@dataclass(frozen=True)
class Bag:
    x: int
    foot_y: int
    from_s: float
    until_s: float = math.inf
    width: int = 26
    height: int = 22
    colour: Colour = (40, 60, 150)

    @property
    def box(self) -> tuple[float, float, float, float]:
        left, top = self.x - self.width // 2, self.foot_y - self.height
        return left / WIDTH, top / HEIGHT, (left + self.width) / WIDTH, self.foot_y / HEIGHT

    def draw(self, image: NDArray[np.uint8], time_s: float) -> None:
        if self.from_s <= time_s < self.until_s:
            left, top = self.x - self.width // 2, self.foot_y - self.height
            cv2.rectangle(image, (left, top), (left + self.width - 1, self.foot_y - 1), self.colour, -1)


@dataclass(frozen=True)
class Person:
    """Walks from (time, x, foot_y) to the next; who stands sways a little."""

    path: Sequence[tuple[float, float, float]]
    height: float = 96.0
    colours: tuple[Colour, Colour, Colour] = ((30, 40, 60), (180, 60, 50), (220, 180, 150))

    def draw(self, image: NDArray[np.uint8], time_s: float) -> None:
        times, xs, ys = np.array(self.path).T
        if not times[0] <= time_s <= times[-1]:
            return
        x, y = np.interp(time_s, times, xs), np.interp(time_s, times, ys)
        walks = abs(np.interp(time_s + 0.1, times, xs) - x) > 1
        swing = self.height * 0.12 * np.sin(6 * time_s) if walks else self.height * 0.05
        x += 0 if walks else 2 * np.sin(time_s)
        legs, coat, skin = self.colours
        hip, neck = y - 0.45 * self.height, y - 0.82 * self.height
        for side in (-1, 1):
            _line(image, (x, hip), (x + side * swing, y), legs, 0.1 * self.height)
        _line(image, (x, hip), (x, neck), coat, 0.24 * self.height)
        cv2.circle(image, (round(x), round(y - 0.92 * self.height)), round(0.075 * self.height), skin, -1)


def _line(
    image: NDArray[np.uint8],
    start: tuple[float, float],
    end: tuple[float, float],
    colour: Colour,
    width: float,
) -> None:
    first, second = ((round(x), round(y)) for x, y in (start, end))
    cv2.line(image, first, second, colour, round(width), cv2.LINE_AA)


@dataclass
class Recording:
    people: Sequence[Person] = ()
    bags: Sequence[Bag] = ()
    light: Light = lambda _: 1.0
    shake_px: float = 0.0
    floor: NDArray[np.uint8] = field(default_factory=lambda: FLOOR)
    _frames: int = field(default=0, init=False)

    def frame(self, time_s: float) -> NDArray[np.uint8]:
        image = self.floor.copy()
        for thing in (*self.bags, *self.people):
            thing.draw(image, time_s)
        light = self.light(time_s)
        if not isinstance(light, float) or light != 1.0:
            image = np.clip(image * light, 0, 255).astype(np.uint8)
        self._frames += 1
        if self.shake_px:
            shift = self.shake_px * np.array([(-1) ** self._frames, (-1) ** (self._frames // 2)])
            matrix = np.column_stack([np.eye(2), shift])
            image = cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cv2.add(image, NOISE[self._frames % len(NOISE)]))


def _owner(puts_down_s: float, x: float, foot_y: float, stays_s: float = 2.0) -> Person:
    leaves_s = puts_down_s + stays_s
    return Person(
        [
            (puts_down_s - 4, -40, foot_y + 2),
            (puts_down_s, x - 14, foot_y + 2),
            (leaves_s, x - 14, foot_y + 2),
            (leaves_s + 5, WIDTH + 40, foot_y + 2),
        ]
    )


def _passer_by(start_s: float, foot_y: float) -> Person:
    return Person(
        [(start_s, WIDTH + 40, foot_y), (start_s + 6, -40, foot_y)],
        colours=((90, 80, 30), (60, 120, 60), (120, 80, 60)),
    )


def _steady(until_s: float, fps: float = FPS) -> NDArray[np.float64]:
    return np.arange(0.0, until_s, 1 / fps)


def _watch(
    recording: Recording, times_s: Iterable[float], analyser: SceneAnalyser | None = None
) -> list[tuple[float, list[LeftObject]]]:
    analyser = analyser or SceneAnalyser(SceneSettings(dwell_s=DWELL_S))
    return [(float(time_s), analyser.update(recording.frame(time_s), float(time_s))) for time_s in times_s]


def _alarms(seen: list[tuple[float, list[LeftObject]]]) -> dict[int, tuple[float, float, LeftObject]]:
    """First and last time, and first report, of every id."""
    alarms: dict[int, tuple[float, float, LeftObject]] = {}
    for time_s, objects in seen:
        for one in objects:
            first_s, _, first = alarms.get(one.id, (time_s, time_s, one))
            alarms[one.id] = first_s, time_s, first
    return alarms


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(across, 0) * max(down, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared)


def _irregular(until_s: float) -> NDArray[np.float64]:
    steps = np.random.default_rng(3).choice([0.12, 0.3, 0.5, 0.9], 400)
    times = np.cumsum(steps)
    return times[times < until_s]


@pytest.mark.parametrize("times_s", [_steady(27, 2), _steady(27, 4), _irregular(27)], ids=["2", "4", "vfr"])
def test_a_bag_is_found_when_its_owner_has_been_away_for_the_dwell_time(times_s: NDArray[np.float64]) -> None:
    bag = Bag(300, 262, from_s=8, until_s=22)
    fetcher = Person([(17, WIDTH + 40, 264), (21, 315, 264), (22.5, 315, 264), (27, -40, 264)])
    analyser = SceneAnalyser(SceneSettings(dwell_s=DWELL_S))
    recording = Recording([_owner(8, 300, 262), fetcher], [bag])
    seen = _watch(recording, times_s[times_s < 20], analyser)
    evidence = dict(zip(SCENE_FEATURES, analyser.evidence().tolist(), strict=True))
    [(found_s, _, alarm)] = _alarms(seen).values()
    # The owner walks off at 10 s and is two widths away half a second later.
    assert 10 + DWELL_S <= found_s <= 13 + DWELL_S
    assert _overlap(alarm.box, bag.box) > 0.7
    assert alarm.since_s == pytest.approx(8.5, abs=1.5)
    assert DWELL_S <= alarm.unattended_s <= DWELL_S + 2.5
    assert evidence["alone"] == evidence["left"] == 1.0
    assert evidence["watched"] == pytest.approx(0.2)
    assert min(evidence["placed"], evidence["still"]) > 0.6
    after = _watch(recording, times_s[times_s >= 20], analyser)
    assert set(_alarms(after)) <= {alarm.id}
    assert after[-1][1] == []


def test_evidence_is_zero_until_an_object_is_watched() -> None:
    analyser = SceneAnalyser(SceneSettings(dwell_s=DWELL_S))
    assert analyser.evidence().tolist() == [0.0] * len(SCENE_FEATURES) == [0.0] * 8
    _watch(Recording([_passer_by(0, 262)]), _steady(8), analyser)
    assert not analyser.evidence().any()
    assert analyser.evidence().dtype == np.float32


def test_an_owner_who_stays_near_raises_nothing() -> None:
    beside = Person([(2, -40, 262), (6, 286, 262), (8, 286, 262), (9, 336, 264), (34, 336, 264)])
    seen = _watch(Recording([beside], [Bag(300, 262, from_s=6)]), _steady(32))
    assert _alarms(seen) == {}


def test_an_owner_who_comes_back_starts_the_timer_again() -> None:
    path = [(2, -40, 262), (6, 286, 262), (7, 286, 262), (10, 600, 262), (13, 330, 262), (19, 330, 262)]
    owner = Person([*path, (23, -40, 262)])
    seen = _watch(Recording([owner], [Bag(300, 262, from_s=6)]), _steady(30))
    [(found_s, last_s, _)] = _alarms(seen).values()
    assert 19 + DWELL_S <= found_s <= 22.5 + DWELL_S
    assert last_s == seen[-1][0]


def test_people_who_pass_in_front_and_behind_change_nothing() -> None:
    passers = [
        _passer_by(start_s, foot_y) for start_s, foot_y in ((12, 275), (14, 250), (15.5, 290), (21, 270))
    ]
    recording = Recording([_owner(6, 300, 262), *passers], [Bag(300, 262, from_s=6)])
    seen = _watch(recording, _steady(27))
    [(found_s, last_s, _)] = _alarms(seen).values()
    assert 8 + DWELL_S <= found_s <= 12 + DWELL_S
    assert last_s == seen[-1][0]


def test_somebody_who_stands_far_behind_does_not_attend() -> None:
    behind = Person([(0, 700, 165), (5, 300, 165), (24, 300, 165)], height=64)
    recording = Recording([behind, _owner(7, 300, 226)], [Bag(300, 226, from_s=7)])
    [(found_s, _, _)] = _alarms(_watch(recording, _steady(22))).values()
    assert 9 + DWELL_S <= found_s <= 12 + DWELL_S


def _silhouette(image: NDArray[np.uint8], x: int, foot_y: int, height: float) -> None:
    """A figure in the proportions that the people detector has learnt, 96 units tall."""
    unit, dark = height / 96, (45, 45, 50)

    def at(across: float, up: float) -> tuple[int, int]:
        return round(x + across * unit), round(foot_y - up * unit)

    cv2.ellipse(image, at(0, 88), (round(6 * unit), round(8 * unit)), 0, 0, 360, dark, -1)
    cv2.fillPoly(image, [np.array([at(-14, 78), at(14, 78), at(10, 44), at(-10, 44)], np.int32)], dark)
    for side in (-1, 1):
        cv2.line(image, at(5 * side, 46), at(7 * side, 0), dark, round(9 * unit))
        cv2.line(image, at(14 * side, 75), at(16 * side, 42), dark, round(6 * unit))


@pytest.mark.parametrize(
    ("stands_out", "is_known", "found"), [(True, False, 1), (False, False, 0), (True, True, 0)]
)
def test_the_people_detector_adds_whoever_stands_out_and_is_not_known(
    stands_out: bool, is_known: bool, found: int
) -> None:
    frame = FLOOR.copy()
    _silhouette(frame, 320, 300, 150)
    picture = cv2.resize(frame, (320, 180), interpolation=cv2.INTER_AREA)
    watched = WatchedObject(1, Region(Box(185, 132, 201, 150), np.ones((18, 16), bool)), picture, 0.0, 0.0)
    person = Box(148, 75, 172, 150)
    unknown = np.zeros((180, 320), np.uint8)
    unknown[person.slices] = 255 * stands_out
    close_look, perspective = CloseLook(SceneSettings(dwell_s=10.0)), Perspective((180, 320))
    known = [person] if is_known else []
    close_look.update([watched], frame, unknown, known, perspective, time_s=2.0)
    assert watched.company(2.0) == []
    close_look.update([watched], frame, unknown, known, perspective, time_s=4.0)
    assert len(watched.company(5.0)) == found
    assert all(box.overlap(person) > 0.4 for box in watched.company(5.0))
    assert watched.company(20.0) == []


def test_several_objects_keep_their_own_ids_and_boxes() -> None:
    bags = [Bag(200, 262, from_s=6), Bag(430, 320, from_s=9, width=34, height=40, colour=(150, 60, 40))]
    owner = Person(
        [(2, -40, 264), (6, 186, 264), (7, 186, 264), (9, 412, 322), (10, 412, 322), (14, 700, 322)]
    )
    seen = _watch(Recording([owner], bags), _steady(24))
    alarms = sorted(_alarms(seen).values(), key=lambda alarm: alarm[2].box)
    assert len(alarms) == 2
    assert all(_overlap(alarm.box, bag.box) > 0.7 for (_, _, alarm), bag in zip(alarms, bags, strict=True))


def test_people_who_stand_still_are_no_objects() -> None:
    standing = Person([(1, -40, 250), (6, 250, 250), (30, 250, 250), (34, 700, 250)])
    other = Person([(2, 700, 310), (8, 420, 310), (33, 420, 310)], height=118, colours=standing.colours[::-1])
    assert _alarms(_watch(Recording([standing, other]), _steady(36))) == {}


def test_the_place_that_something_was_taken_from_raises_nothing() -> None:
    thief = Person([(4, 700, 264), (8, 315, 264), (10, 315, 264), (14, -40, 264)])
    was_there = Bag(300, 262, from_s=0, until_s=9, width=40, height=32)
    assert _alarms(_watch(Recording([thief], [was_there]), _steady(30))) == {}


def _lamps(time_s: float) -> NDArray[np.float32] | float:
    """Lamps on the right only, then on the left only, then all dimmed and of another colour."""
    slope = np.linspace(0.3, 1.4, WIDTH, dtype=np.float32)[None, :, None]
    dim = np.array([0.8, 0.75, 0.7], np.float32)
    return 1.0 if time_s < 8.5 else slope if time_s < 14 else slope[:, ::-1] if time_s < 19 else dim


@pytest.mark.parametrize(("light", "shake_px"), [(_lamps, 0.0), (lambda _: 1.0, 1.0)], ids=["lamps", "shake"])
def test_light_and_camera_shake_neither_hide_nor_make_objects(light: Light, shake_px: float) -> None:
    bag = Bag(300, 262, from_s=7)
    recording = Recording([_owner(7, 300, 262)], [bag], light=light, shake_px=shake_px)
    [(found_s, _, alarm)] = _alarms(_watch(recording, _steady(26))).values()
    assert 9 + DWELL_S <= found_s <= 12 + DWELL_S
    assert _overlap(alarm.box, bag.box) > 0.5


def test_a_camera_that_is_turned_raises_nothing() -> None:
    rng = np.random.default_rng(1)
    market = FLOOR.copy()
    for x, y in rng.integers(40, 300, (90, 2)) * (2, 1):
        radius, colour = int(rng.integers(4, 15)), rng.integers(20, 235, 3).tolist()
        cv2.circle(market, (int(x), int(y)), radius, colour, -1)
    people = [_passer_by(start_s, 300) for start_s in (2, 8, 14)]
    analyser = SceneAnalyser(SceneSettings(dwell_s=DWELL_S))
    before = _watch(Recording(people, floor=market), _steady(10), analyser)
    turned = Recording(people, floor=np.roll(market, (14, 36), (0, 1)))
    assert _alarms(before + _watch(turned, 10 + _steady(20), analyser)) == {}


def test_time_without_frames_does_not_count() -> None:
    times_s = np.concatenate([_steady(13), 30 + _steady(12)])
    recording = Recording([_owner(6, 300, 262)], [Bag(300, 262, from_s=6)])
    [(found_s, _, alarm)] = _alarms(_watch(recording, times_s)).values()
    assert found_s > 30
    assert alarm.unattended_s < 2 * DWELL_S


@pytest.mark.parametrize(("foot_y", "found"), [(262, 1), (215, 0)])
def test_only_objects_that_stand_in_a_zone_count(foot_y: int, found: int) -> None:
    zone = ((0.2, 0.65), (0.8, 0.65), (0.8, 1.0), (0.2, 1.0))
    analyser = SceneAnalyser(SceneSettings(dwell_s=DWELL_S, zones=(zone,)))
    recording = Recording([_owner(6, 300, foot_y)], [Bag(300, foot_y, from_s=6)])
    assert len(_alarms(_watch(recording, _steady(18), analyser))) == found
    assert analyser.evidence().any() == bool(found)


def test_frames_between_two_analyses_change_nothing() -> None:
    analyser = SceneAnalyser(SceneSettings(dwell_s=DWELL_S, analysis_fps=2))
    recording = Recording([_owner(6, 300, 262)], [Bag(300, 262, from_s=6)])
    _watch(recording, _steady(18, 2), analyser)
    before, evidence = analyser.update(recording.frame(18.0), 18.0), analyser.evidence()
    assert len(before) == 1
    assert analyser.update(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 18.2) == before
    np.testing.assert_array_equal(analyser.evidence(), evidence)


@pytest.mark.parametrize("interruption", ["another shape", "the clock goes back"])
def test_another_picture_or_another_clock_starts_anew(interruption: str) -> None:
    analyser = SceneAnalyser(SceneSettings(dwell_s=DWELL_S))
    recording = Recording([_owner(6, 300, 262)], [Bag(300, 262, from_s=6)])
    [old] = _alarms(_watch(recording, _steady(18), analyser))
    frame = recording.frame(19)
    if interruption == "another shape":
        assert analyser.update(np.ascontiguousarray(frame.transpose(1, 0, 2)), 19.0) == []
    else:
        assert analyser.update(frame, 0.0) == []
    assert not analyser.evidence().any()
    [new] = _alarms(_watch(recording, _steady(18) - 1, analyser))
    assert new > old


def test_memory_does_not_grow() -> None:
    rng = np.random.default_rng(5)
    analyser = SceneAnalyser(SceneSettings(dwell_s=2.0))
    room = rng.integers(80, 160, (96, 160, 3), dtype=np.uint8)

    def run(start: int, stop: int) -> None:
        for step in range(start, stop):
            frame = room.copy()
            for x, y in rng.integers(10, 80, (4, 2)):
                frame[y : y + 16, x : x + 8] = rng.integers(0, 255, 3)
            if step // 40 % 2:
                frame[60:68, 100:110] = (200, 30, 30)
            analyser.update(frame, step / 3)

    run(0, 90)
    tracemalloc.start()
    run(90, 100)
    before, _ = tracemalloc.get_traced_memory()
    run(100, 180)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 100_000


@pytest.mark.parametrize(
    ("frame", "time_s"),
    [
        (np.zeros((90, 160), np.uint8), 0.0),
        (np.zeros((90, 160, 3), np.float32), 0.0),
        (np.zeros((20, 160, 3), np.uint8), 0.0),
        (np.zeros((90, 160, 3), np.uint8), math.nan),
    ],
)
def test_what_cannot_be_watched_is_refused(frame: NDArray[np.uint8], time_s: float) -> None:
    with pytest.raises(InputError):
        SceneAnalyser().update(frame, time_s)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dwell_s": 0.0},
        {"analysis_width": -1},
        {"zones": (((0.0, 0.0), (1.0, 1.0)),)},
        {"zones": (((0, 0), (2, 0), (1, 1)),)},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        SceneSettings(**wrong)  # type: ignore[arg-type]
