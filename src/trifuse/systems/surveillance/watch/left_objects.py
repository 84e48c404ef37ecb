"""Objects left behind, one incident each, with the box and for how long they have been alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trifuse.systems.surveillance.watch.incidents import Alert, new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trifuse.systems.surveillance.scene.analyser import LeftObject
    from trifuse.systems.surveillance.watch.alert_settings import AlertSettings

ABANDONED = "abandoned_object"


@dataclass
class _Followed:
    alert: Alert
    told_s: float


class ObjectTracks:
    """Follows the objects that one camera's scene analyser calls left behind: these need no smoothing.

    The served score goes with the alert; the analyser alone knows which of two bags it is, and where.
    """

    def __init__(self, camera: str, settings: AlertSettings) -> None:
        self._camera, self._settings = camera, settings
        self._followed: dict[int, _Followed] = {}

    @property
    def is_open(self) -> bool:
        """Whether any object lies about."""
        return bool(self._followed)

    def update(self, end_s: float, score: float, left: Sequence[LeftObject]) -> list[Alert]:
        """Take what lies about at the end of a window; returns what is to be told."""
        told = [alert for one in left if (alert := self._look(end_s, score, one))]
        return told + self._gone(end_s, score)

    def close(self, time_s: float, reason: str) -> list[Alert]:
        """End all, as nothing more can be seen of them."""
        ended = [
            replace(one.alert, state="end", time_s=time_s, score=0.0, reason=reason)
            for one in self._followed.values()
        ]
        self._followed.clear()
        return ended

    def _look(self, end_s: float, score: float, seen: LeftObject) -> Alert | None:
        followed = self._followed.get(seen.id)
        if followed is None:
            since_s = seen.since_s
            alert = Alert("new", new_id(), self._camera, ABANDONED, since_s, end_s, end_s, score, score)
            alert = replace(alert, box=seen.box, unattended_s=seen.unattended_s)
            self._followed[seen.id] = _Followed(alert, end_s)
            return alert
        followed.alert = replace(
            followed.alert,
            state="update",
            until_s=end_s,
            time_s=end_s,
            score=score,
            peak=max(followed.alert.peak, score),
            box=seen.box,
            unattended_s=seen.unattended_s,
        )
        if end_s - followed.told_s < self._settings.update_s:
            return None
        followed.told_s = end_s
        return followed.alert

    def _gone(self, end_s: float, score: float) -> list[Alert]:
        gone = [
            id_
            for id_, one in self._followed.items()
            if one.alert.until_s < end_s and end_s - one.alert.until_s >= self._settings.quiet_s
        ]
        ended = [self._followed.pop(id_).alert for id_ in gone]
        return [replace(alert, state="end", time_s=end_s, score=score) for alert in ended]
