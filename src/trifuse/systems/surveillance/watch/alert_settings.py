"""When an incident begins, goes on and is over."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING

from trifuse.errors import ConfigurationError
from trifuse.systems.surveillance.contract import DECISIONS, EVENTS
from trifuse.systems.surveillance.watch.smoothing import Smoothing

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class AlertSettings:
    """The rules of all cameras; raises ConfigurationError for rules that cannot be.

    `min_scores` replace the served thresholds by event. An incident begins when the smoothed score
    reaches its threshold, and is over when it has stayed below `end_share` of that for `quiet_s`; after
    that the camera raises no new alert of the event for `cooldown_s`. An open incident is told about again
    every `update_s`. `events` are those to alert on. `stride_s` is the time from window to window.
    """

    min_scores: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    smoothing: Smoothing = field(default_factory=Smoothing)
    end_share: float = 0.7
    quiet_s: float = 3.0
    cooldown_s: float = 10.0
    update_s: float = 10.0
    events: tuple[str, ...] = EVENTS
    stride_s: float = 1.0

    def __post_init__(self) -> None:
        unknown = sorted({*self.events, *self.min_scores} - set(DECISIONS))
        if unknown:
            raise ConfigurationError(
                "there is no such event", got=unknown[0], expected=f"one of {', '.join(DECISIONS)}"
            )
        shares = {"end_share": self.end_share} | {
            f"the score of {name}": v for name, v in self.min_scores.items()
        }
        for name, share in shares.items():
            if not 0 < share <= 1:
                raise ConfigurationError(f"{name} is none", got=share, expected="above 0, at most 1")
        for one in fields(self):
            if one.name.endswith("_s") and not getattr(self, one.name) >= 0:
                raise ConfigurationError(
                    f"{one.name} is no time", got=getattr(self, one.name), expected="at least 0 seconds"
                )
