"""A lesson: what the timetable asks for, and what each learner does, act after act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from trifuse.systems.learning.classroom.acts import SHARES, Act, draw_act

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from trifuse.systems.learning.classroom.learner import Learner

_ACT_S = (10.0, 50.0)


@dataclass(frozen=True)
class Phase:
    """A part of a lesson: what is done in it, and how it moves the attention (-1 to 1)."""

    name: str
    shares: Mapping[str, float]
    pull: float


PHASES = (
    Phase("explanation", SHARES | {"attentive": 0.6, "discussing": 0.03, "hand_raised": 0.02}, 0.8),
    Phase("questions", SHARES | {"hand_raised": 0.3, "reading_writing": 0.08}, 0.5),
    Phase("group work", SHARES | {"discussing": 0.55, "attentive": 0.12}, 0.2),
    Phase("own work", SHARES | {"reading_writing": 0.6, "attentive": 0.1, "discussing": 0.05}, 0.3),
    Phase("a lull", SHARES | {"looking_away": 0.35, "using_phone": 0.2, "attentive": 0.2}, -1.5),
)


class Played(NamedTuple):
    """An act and when it is played."""

    start_s: float
    end_s: float
    act: Act


def phase_at(time_s: float, duration_s: float) -> Phase:
    """Tell the phase of a lesson at a time; all phases last equally long."""
    return PHASES[min(int(time_s / duration_s * len(PHASES)), len(PHASES) - 1)]


def play(learner: Learner, duration_s: float, rng: np.random.Generator) -> list[Played]:
    """Draw what a learner does from the beginning of a lesson to its end."""
    found: list[Played] = []
    now_s = 0.0
    while now_s < duration_s:
        phase = phase_at(now_s, duration_s)
        moved = learner.moved(phase.pull)
        end_s = min(now_s + round(float(rng.uniform(*_ACT_S))), duration_s)
        found.append(Played(now_s, end_s, draw_act(moved, rng, phase.shares)))
        now_s = end_s
    return found
