"""What the abandoned-object branch can be told: times in seconds, lengths as shares of the picture."""

from __future__ import annotations

from dataclasses import dataclass, fields

from trifuse.errors import ConfigurationError

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class SceneSettings:
    """How long an object may be alone, where, and how the pictures are analysed. Raises ConfigurationError.

    `dwell_s` is how long nobody may be near an object before it counts as left behind. `zones` are polygons
    of (x, y) points, shares of width and height: only objects whose foot point lies in one of them count;
    without zones the whole picture does. Frames that come faster than `analysis_fps` are skipped, the others
    are analysed at `analysis_width` pixels.

    `slow_s` and `fast_s` are the time constants of the two backgrounds, `contrast_levels` is the least
    difference, in levels of 0–255, that counts as foreground. What lies still for `stationary_s` is watched.
    Whoever is nearer than `attend_widths` widths of the object attends to it, once that lasts `visit_s`:
    shorter visits pass by. An object that is seen to be missing for `gone_s` was taken away; one that is
    hidden for `hidden_s` is given up. Other things that do not move become background after `absorb_s`, those
    that have a person's shape after `still_person_s`. Sizes are heights as shares of the picture's height.
    """

    dwell_s: float = 30.0
    zones: tuple[Polygon, ...] = ()
    analysis_fps: float = 4.0
    analysis_width: int = 320
    slow_s: float = 60.0
    fast_s: float = 1.5
    contrast_levels: float = 10.0
    stationary_s: float = 3.0
    attend_widths: float = 2.0
    visit_s: float = 3.0
    gone_s: float = 3.0
    hidden_s: float = 60.0
    absorb_s: float = 60.0
    still_person_s: float = 300.0
    least_object_share: float = 0.025
    largest_object_share: float = 0.4
    least_person_share: float = 0.1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "zones" and not value > 0:
                raise ConfigurationError(f"{field.name} cannot be used", got=value, expected="more than 0")
        for zone in self.zones:
            if len(zone) < 3 or not all(0 <= share <= 1 for point in zone for share in point):
                raise ConfigurationError(
                    "a zone is no polygon in the picture",
                    got=zone,
                    expected="at least three (x, y) points, shares of width and height from 0 to 1",
                )
