"""What stands out in a lesson, in plain sentences with numbers, and the parts of it that a table shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from trifuse.systems.learning.report.summary import FEWEST_LEARNERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trifuse.systems.learning.report.summary import Bin, Summary

_PHASES = 3


class Phase(NamedTuple):
    """A part of a lesson whose attention (0 to 3) stands out; `share` is that of the commonest behaviour."""

    start_s: float
    end_s: float
    attention: float
    present: float
    behaviour: str
    share: float


def findings(summary: Summary) -> list[str]:
    """Say in plain sentences what stands out."""
    if not summary.bins:
        return [
            f"{summary.learners} learners are too few to tell anything of the class without telling it of "
            f"individuals: at least {FEWEST_LEARNERS} are needed."
        ]
    gaps = sum(one.attention is None for one in summary.bins)
    found = []
    if gaps:
        found.append(f"There was not enough data for {gaps} of {len(summary.bins)} parts of the lesson.")
    least, most = phases(summary)
    if least:
        found += _of_attention(least[0], most[0])
    return found + _of_presence(summary.bins)


def phases(summary: Summary) -> tuple[list[Phase], list[Phase]]:
    """List the parts with the least attention, the least first, and those with the most, the most first.

    At most three of each; no part is in both lists, but the only one of a lesson.
    """
    ranked = sorted(
        (found for one in summary.bins if (found := _phase(one))), key=lambda phase: phase.attention
    )
    count = min(_PHASES, max(1, len(ranked) // 2))
    return ranked[:count], ranked[::-1][:count]


def clock(time_s: float) -> str:
    """Write a time of the lesson as m:ss."""
    minutes, seconds = divmod(round(time_s), 60)
    return f"{minutes}:{seconds:02}"


def words(behaviour: str) -> str:
    """Write a behaviour's name as people do."""
    return behaviour.replace("_", " ")


def _phase(one: Bin) -> Phase | None:
    if not one.attention or not one.shares or one.present is None:
        return None
    name, share = max(one.shares.items(), key=lambda pair: pair[1])
    return Phase(one.start_s, one.end_s, one.attention[0], one.present, name, share)


def _of_attention(least: Phase, most: Phase) -> list[str]:
    if least == most:
        return [f"The class attended at level {most.attention:.1f} of 3 from {clock(most.start_s)}."]
    return [
        f"The class attended most from {clock(most.start_s)} (level {most.attention:.1f} of 3), "
        f"and least from {clock(least.start_s)} (level {least.attention:.1f}).",
        f"From {clock(least.start_s)}, the most frequent behaviour was “{words(least.behaviour)}” "
        f"({least.share:.0%} of what was observed).",
    ]


def _of_presence(bins: Sequence[Bin]) -> list[str]:
    known = [(one.present, one.start_s) for one in bins if one.present is not None]
    if not known:
        return []
    mean, (fewest, start_s) = sum(present for present, _ in known) / len(known), min(known)
    if fewest == 1:
        return ["Whoever was observed was present all the time."]
    return [f"{mean:.0%} were present on average, the fewest from {clock(start_s)} ({fewest:.0%})."]
