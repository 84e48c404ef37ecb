"""The repertoire: every story, what it is labelled, and how often it is played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifuse.systems.surveillance.scenario import incidents, pastimes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from trifuse.systems.surveillance.scenario.stage import Stage


@dataclass(frozen=True)
class Story:
    """A story and how many of its pack of 40 cards it has.

    Without its sound or its lines, where it `needs` them, nobody could tell what it is: such a recording
    always has the track.
    """

    play: Callable[[Stage, float, float], None]
    cards: int
    events: tuple[str, ...] = ()
    needs_sound: bool = False
    needs_lines: bool = False
    # When it begins in a clip that begins at 0 s, and how long it lasts in a long recording, in seconds.
    begins_s: tuple[float, float] = (-2.5, 0.3)
    lasts_s: tuple[float, float] = (6.0, 12.0)

    @property
    def name(self) -> str:
        """The story's name in manifests."""
        return self.play.__name__


# A third of the fights look like play, a quarter of the falls like a rest, 2 of 7 panics like a hurry.
INCIDENTS = (
    Story(incidents.brawl, 8, ("fight",)),
    Story(incidents.scuffle, 4, ("fight",), needs_sound=True),
    Story(incidents.collapse, 6, ("fall",), begins_s=(-1.6, 0.7), lasts_s=(8.0, 12.0)),
    Story(incidents.faint, 2, ("fall",), needs_sound=True, begins_s=(-1.0, 0.5), lasts_s=(8.0, 12.0)),
    Story(incidents.stampede, 5, ("crowd_panic",), begins_s=(-0.8, 0.3), lasts_s=(6.0, 9.0)),
    Story(incidents.flight, 2, ("crowd_panic",), needs_sound=True, begins_s=(-0.8, 0.3), lasts_s=(6.0, 9.0)),
    Story(incidents.blast, 5, ("blast",), needs_sound=True, begins_s=(0.1, 1.3), lasts_s=(3.0, 6.0)),
    Story(incidents.threat, 5, ("threat",), needs_lines=True, lasts_s=(5.0, 9.0)),
    Story(incidents.robbery, 2, ("fight", "threat"), needs_lines=True),
    Story(
        incidents.attack,
        1,
        ("crowd_panic", "blast"),
        needs_sound=True,
        begins_s=(-0.4, 0.3),
        lasts_s=(6.0, 9.0),
    ),
)
PASTIMES = (
    Story(pastimes.stroll, 6),
    Story(pastimes.talk, 3),
    Story(pastimes.wait, 2),
    Story(pastimes.nothing, 2),
    Story(pastimes.play, 5, needs_sound=True),
    Story(pastimes.dance, 2),
    Story(pastimes.embrace, 1),
    Story(pastimes.sit, 2, begins_s=(-1.6, 0.7)),
    Story(pastimes.rest, 3, needs_sound=True, begins_s=(-1.0, 0.5)),
    Story(pastimes.tie_shoe, 2, begins_s=(-1.6, 0.7)),
    Story(pastimes.hurry, 3, needs_sound=True, begins_s=(-0.8, 0.3)),
    Story(pastimes.children, 1, begins_s=(-0.6, 0.5)),
    Story(pastimes.market, 2),
    Story(pastimes.slam, 1, begins_s=(0.1, 1.3)),
    Story(pastimes.thunder, 1, begins_s=(-0.5, 0.8)),
    Story(pastimes.fireworks, 2, needs_sound=True, needs_lines=True, begins_s=(0.1, 1.3)),
    Story(pastimes.quote, 2, needs_lines=True),
)


def deal(stories: Sequence[Story]) -> Iterator[Story]:
    """Deal stories without end in the shares of their cards, each spread as evenly as can be.

    Source: the smooth weighted round-robin of nginx (https://github.com/nginx/nginx/commit/52327e0).
    """
    credit = [0] * len(stories)
    total = sum(story.cards for story in stories)
    while True:
        credit = [value + story.cards for value, story in zip(credit, stories, strict=True)]
        best = credit.index(max(credit))
        credit[best] -= total
        yield stories[best]
