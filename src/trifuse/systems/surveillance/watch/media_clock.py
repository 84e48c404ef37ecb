"""One media time for a camera, though its time stamps start anywhere, jump and begin again."""

from __future__ import annotations

import time

# Reordered frames and rare pictures differ by less; clocks that were set and files put end to end by more.
_BACK_S, _AHEAD_S = 1.0, 60.0


class MediaClock:
    """Turns the time stamps of a source's tracks into seconds since it began.

    Where stamps begin anew, the time of a `live` source goes on as time does, else where it was.
    """

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self._began_at_s: float | None = None
        self._offsets: list[float] = []
        self._tracks: dict[str, tuple[float, float]] = {}
        self.latest_s = 0.0

    def restart(self, first_s: float | None = None) -> None:
        """Begin a new connection, whose stamps have nothing to do with those before.

        `first_s` is the stamp at which it begins, if that is known.
        """
        self._tracks.clear()
        self._offsets = [] if first_s is None else [self._now_s() - first_s]

    def time_s(self, track: str, stamp_s: float | None, step_s: float = 0.0) -> float:
        """Tell the media time of a track's stamp; without one it is a step after the track's last."""
        last_s, offset = self._tracks.get(track, (None, None))
        if stamp_s is None:
            stamp_s = last_s + step_s if last_s is not None else self._first_stamp()
        if last_s is None or offset is None or not -_BACK_S <= stamp_s - last_s <= _AHEAD_S:
            offset = self._offset(stamp_s)
        self._tracks[track] = stamp_s, offset
        time_s = stamp_s + offset
        self.latest_s = max(self.latest_s, time_s)
        return time_s

    def _now_s(self) -> float:
        if not self._live:
            return self.latest_s
        now_s = time.monotonic()
        if self._began_at_s is None:
            self._began_at_s = now_s
        return max(now_s - self._began_at_s, self.latest_s)

    def _first_stamp(self) -> float:
        return self._now_s() - self._offsets[-1] if self._offsets else 0.0

    def _offset(self, stamp_s: float) -> float:
        """Find the newest offset that makes a stamp go on from what was; else make one."""
        now_s = self._now_s()
        for offset in reversed(self._offsets):
            if -_BACK_S <= stamp_s + offset - now_s <= _AHEAD_S:
                return offset
        self._offsets = [*self._offsets[-1:], now_s - stamp_s]
        return self._offsets[-1]
