"""From what was seen in a camera's windows to one alert an incident."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from trifuse.systems.surveillance.contract import ABNORMAL
from trifuse.systems.surveillance.watch.incidents import Alert, EventTrack
from trifuse.systems.surveillance.watch.left_objects import ABANDONED, ObjectTracks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trifuse.systems.surveillance.calls import Assessment
    from trifuse.systems.surveillance.scene.analyser import LeftObject
    from trifuse.systems.surveillance.watch.alert_settings import AlertSettings


class AlertLogic:
    """Decides for one camera; windows come in the order of their ends.

    `abnormal`, if it is asked for, stands for incidents without a type: it is held back while one with a
    type is going on.
    """

    def __init__(self, camera: str, settings: AlertSettings) -> None:
        self._settings = settings
        self._tracks = {
            event: EventTrack(camera, event, settings)
            for event in sorted(settings.events, key=lambda event: event == ABNORMAL)
            if event != ABANDONED
        }
        self._objects = ObjectTracks(camera, settings)

    def update(
        self, start_s: float, end_s: float, assessment: Assessment, left: Sequence[LeftObject] = ()
    ) -> list[Alert]:
        """Take the scores of the window from `start_s` to `end_s` and the objects left behind at its end."""
        scores = {ABNORMAL: assessment.abnormal, **assessment.events}
        found: list[Alert | None] = []
        if ABANDONED in self._settings.events:
            found += self._objects.update(end_s, scores[ABANDONED], left)
        thresholds = self.thresholds(assessment)
        for event, track in self._tracks.items():
            score = 0.0 if event == ABNORMAL and self._typed_is_open() else scores[event]
            found.append(track.update(start_s, end_s, score, thresholds[event]))
        return [replace(alert, scores=scores, version=assessment.version) for alert in found if alert]

    def thresholds(self, assessment: Assessment) -> dict[str, float]:
        """Tell what each score is compared with."""
        return {**assessment.thresholds, **self._settings.min_scores}

    def close(self, time_s: float, reason: str) -> list[Alert]:
        """End all open incidents, as the camera shows nothing more."""
        ended = [track.close(time_s, reason) for track in self._tracks.values()]
        return [alert for alert in ended if alert] + self._objects.close(time_s, reason)

    def _typed_is_open(self) -> bool:
        typed = (track.is_open for event, track in self._tracks.items() if event != ABNORMAL)
        return self._objects.is_open or any(typed)
