"""Cuts a video of which some parts are abnormal into windows that are abnormal or normal throughout."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from trifuse.importing.rows import number_of
from trifuse.systems.surveillance.contract import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WINDOW_S = cast("float", contract("full").settings["window_s"])

_MOST_OF_A_KIND = 8
# Lost in rounding: a part of just two seconds is a whole window.
_SLACK_S = 1e-6


class Interval(NamedTuple):
    """A part of a video, in seconds from its beginning."""

    start_s: float
    end_s: float


class Windows(NamedTuple):
    """The windows that are cut from one video, in order."""

    abnormal: list[Interval]
    normal: list[Interval]


def cut(duration_s: float, abnormal: Iterable[Interval], key: str) -> Windows:
    """Cut a video into windows side by side: inside its abnormal intervals, and in what lies between them.

    An abnormal interval that is shorter than a window gets one that holds it in its middle, and a normal
    video that is shorter gets one of its own length; what a longer part has left over at its two ends
    belongs to no window. Of each kind at most 8 are taken; the key of the video decides which.
    """
    parts = _joined(duration_s, abnormal)
    inside = [window for part in parts for window in _side_by_side(part) or [_around(part, duration_s)]]
    outside = [window for gap in _gaps(duration_s, parts) for window in _side_by_side(gap)]
    if not parts and not outside:
        outside = [Interval(0.0, duration_s)]
    return Windows(_taken(inside, key), _taken(outside, key))


def _joined(duration_s: float, intervals: Iterable[Interval]) -> list[Interval]:
    """Put intervals in order, join those that meet, and end them with the video."""
    joined: list[Interval] = []
    for start, end in sorted(intervals):
        if joined and start <= joined[-1].end_s:
            joined[-1] = Interval(joined[-1].start_s, max(joined[-1].end_s, min(end, duration_s)))
        elif start < duration_s:
            joined.append(Interval(start, min(end, duration_s)))
    return joined


def _gaps(duration_s: float, parts: Sequence[Interval]) -> list[Interval]:
    starts = [0.0, *(part.end_s for part in parts)]
    ends = [*(part.start_s for part in parts), duration_s]
    return [Interval(start, end) for start, end in zip(starts, ends, strict=True)]


def _side_by_side(part: Interval) -> list[Interval]:
    length = part.end_s - part.start_s
    count = int((length + _SLACK_S) // WINDOW_S)
    first = part.start_s + (length - count * WINDOW_S) / 2
    return [Interval(first + n * WINDOW_S, first + (n + 1) * WINDOW_S) for n in range(count)]


def _around(part: Interval, duration_s: float) -> Interval:
    start = (part.start_s + part.end_s - WINDOW_S) / 2
    start = max(0.0, min(start, duration_s - WINDOW_S))
    return Interval(start, min(start + WINDOW_S, duration_s))


def _taken(windows: Iterable[Interval], key: str) -> list[Interval]:
    rounded = {Interval(max(0.0, round(start, 3)), round(end, 3)) for start, end in windows}
    chosen = sorted(rounded, key=lambda window: number_of(f"{key} {window.start_s}"))
    return sorted(chosen[:_MOST_OF_A_KIND])
