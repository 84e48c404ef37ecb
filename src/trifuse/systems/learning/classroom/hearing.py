"""How an act sounds, and what is said meanwhile: near voices, things, the teacher, the room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trifuse.synthesis.movie import Line
from trifuse.synthesis.soundtrack import Microphone, Sound
from trifuse.systems.learning.classroom import lines

if TYPE_CHECKING:
    from trifuse.systems.learning.classroom.acts import Act
    from trifuse.systems.learning.classroom.learner import Learner

_NEAR_DB, _THING_DB, _FAR_DB, _ELSEWHERE_DB = (-9.0, -3.0), (-17.0, -9.0), (-24.0, -16.0), (-30.0, -22.0)
_TEACHER_SHARE, _ELSEWHERE_SHARE, _OVERHEARD_SHARE = 0.6, 0.25, 0.08
_ELSEWHERE = ("slam", "keys", "page", "buzz", "footsteps", "crowd")
# How often a learner is heard to speak near the microphone, and hands to be heard at work.
_SPEAKS = {"discussing": 1.0, "hand_raised": 0.45, "attentive": 0.12}
_WORKS = {"reading_writing": (("scribble", "page"), 0.6), "using_phone": (("buzz", "keys"), 0.5)}


def microphone(learner: Learner) -> Microphone:
    """Choose a learner's microphone and room."""
    return Microphone("hum", learner.bed_db, echo=True, gain_db=0.0, high_hz=5000.0, seed=learner.voice_seed)


def heard(act: Act, start_s: float, duration_s: float) -> tuple[list[Sound], list[Line]]:
    """Tell the sounds and the lines of an act that begins at a time of its recording."""
    rng = np.random.default_rng([act.seed, 1])
    sounds: list[Sound] = []
    said: list[Line] = []

    def sound(kind: str, level_db: tuple[float, float]) -> None:
        seed = int(rng.integers(2**31))
        sounds.append(Sound(kind, start_s, duration_s, float(rng.uniform(*level_db)), seed))

    def line(text: str) -> None:
        begins_s = start_s + float(rng.uniform(0.0, 0.2)) * duration_s
        said.append(Line(begins_s, min(begins_s + 4.0, start_s + duration_s), text))

    if rng.random() < _SPEAKS.get(act.behaviour, 0.0):
        sound("talk", _NEAR_DB)
        chats = act.behaviour == "discussing" and act.manner in ("slack", "idle")
        line(lines.off_task(rng) if chats else lines.on_task(rng))
    elif rng.random() < _TEACHER_SHARE:
        sound("talk", _FAR_DB)
        line(lines.teacher(rng))
    elif rng.random() < _OVERHEARD_SHARE:
        line(lines.off_task(rng))
    kinds, share = _WORKS.get(act.behaviour, ((), 0.0))
    if kinds and act.manner != "slack" and (act.hidden or rng.random() < share):
        sound(kinds[rng.integers(len(kinds))], _THING_DB)
    if rng.random() < _ELSEWHERE_SHARE:
        sound(_ELSEWHERE[rng.integers(len(_ELSEWHERE))], _ELSEWHERE_DB)
    return sounds, said
