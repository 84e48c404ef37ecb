"""What a learner does for a while, and how attentive that is.

The rule of attention, by behaviour and manner:

    attentive        keen 3     plain 2    slack 1
    reading_writing  keen 3     plain 2    slack 1 (drowsing over the book: the eyes close)
    hand_raised      keen 3     plain 2    (half raised)
    discussing       keen 3     plain 2    on the task; slack 1 and idle 0 are chats, told by the words alone
    looking_away     slack 1 (for a part of the time)    idle 0 (for all of it)
    using_phone      slack 1 (glances)                   idle 0
    absent           none

A phone may be below the desk, and a book out of the picture: then the head is bent in either case, and only
the buzzing or the scribbling tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.learning.contract import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trifuse.systems.learning.classroom.learner import Learner

LEVELS = {"keen": 3, "plain": 2, "slack": 1, "idle": 0}
MANNERS: dict[str, tuple[str, ...]] = {
    "attentive": ("keen", "plain", "slack"),
    "reading_writing": ("keen", "plain", "slack"),
    "hand_raised": ("keen", "plain"),
    "discussing": ("keen", "plain", "slack", "idle"),
    "looking_away": ("slack", "idle"),
    "using_phone": ("slack", "idle"),
    ABSENT: ("plain",),
}
SHARES = {
    "attentive": 0.34,
    "reading_writing": 0.2,
    "hand_raised": 0.07,
    "discussing": 0.13,
    "looking_away": 0.12,
    "using_phone": 0.07,
    ABSENT: 0.07,
}
# How much likelier a manner is for the most diligent than for others.
_TEMPER = 0.8


@dataclass(frozen=True)
class Act:
    """A behaviour in a manner; `hidden` is what the hands hold out of the picture, `side` (-1 or 1) where
    the neighbour sits and what draws the eyes away, `seed` makes it this one of its kind.
    """

    behaviour: str
    manner: str
    hidden: bool
    side: int
    seed: int

    @property
    def attention(self) -> int | None:
        """The level by the rule; None where nobody is."""
        return None if self.behaviour == ABSENT else LEVELS[self.manner]

    @property
    def labels(self) -> dict[str, object]:
        """The labels as in the manifest."""
        level = self.attention
        return {"behaviour": self.behaviour} | ({} if level is None else {"attention": level})


def draw_act(learner: Learner, rng: np.random.Generator, shares: Mapping[str, float] = SHARES) -> Act:
    """Draw what a learner does next, given the shares of the behaviours."""
    names = list(shares)
    weights = np.array([shares[name] for name in names])
    behaviour = names[rng.choice(len(names), p=weights / weights.sum())]
    manners = MANNERS[behaviour]
    pull = np.exp(_TEMPER * learner.temper * np.array([LEVELS[manner] for manner in manners]))
    manner = manners[rng.choice(len(manners), p=pull / pull.sum())]
    hidden, side = rng.random() < 0.4, 1 if rng.random() < 0.5 else -1
    return Act(behaviour, manner, bool(hidden), side, int(rng.integers(2**31)))
