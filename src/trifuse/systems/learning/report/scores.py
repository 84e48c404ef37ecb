"""What is kept of a window: its scores, in a table; pictures, sounds and words are not."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifuse.artifacts import write_file
from trifuse.errors import ArtifactError
from trifuse.systems.learning.contract import ABSENT, BEHAVIOURS, LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from trifuse.systems.learning.calls import Observation

_KNOWN = ("lesson", "learner", "start_s", "end_s", "observed", "behaviour", "attention", "version")
_LEVELS = tuple(f"level {level}" for level in range(len(LEVELS)))
COLUMNS = (*_KNOWN, *BEHAVIOURS, *_LEVELS)


@dataclass(frozen=True)
class WindowScore:
    """What was told of a learner in a window; `observation` is None where there was no usable picture."""

    lesson: str
    learner: str
    start_s: float
    end_s: float
    observation: Observation | None

    @property
    def behaviour(self) -> str | None:
        """The likeliest behaviour; None where nothing was observed."""
        return self.observation.behaviour if self.observation else None

    @property
    def attention(self) -> float | None:
        """The expected level; None where nothing was observed, or the learner was absent."""
        observation = self.observation
        return observation.attention if observation and observation.behaviour != ABSENT else None


def write_scores(path: Path, scores: Iterable[WindowScore]) -> None:
    """Write the table, complete or not at all."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(_row(score) for score in scores)
    write_file(path, text.getvalue())


def read_scores(path: Path) -> list[WindowScore]:
    """Read a table that is there, so that a stopped run goes on. Raises ArtifactError."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise ArtifactError(
                f"{path} is no table of scores", got=rows.fieldnames, hint="Choose another --output"
            )
        try:
            return [_score(row) for row in rows]
        except (ValueError, TypeError) as error:
            raise ArtifactError(f"{path} is damaged", got=error, hint="Remove it and run again") from error


def _row(score: WindowScore) -> list[object]:
    known = [score.lesson, score.learner, score.start_s, score.end_s]
    observation = score.observation
    if observation is None:
        return [*known, "no", *[""] * (len(COLUMNS) - 5)]
    attention = "" if score.attention is None else f"{score.attention:.4f}"
    told = [*observation.behaviours.values(), *observation.levels]
    return [*known, "yes", score.behaviour, attention, observation.version, *(f"{one:.5f}" for one in told)]


def _score(row: dict[str, str]) -> WindowScore:
    from trifuse.systems.learning.calls import Observation

    observation = None
    if row["observed"] == "yes":
        behaviours = {name: float(row[name]) for name in BEHAVIOURS}
        levels = tuple(float(row[name]) for name in _LEVELS)
        observation = Observation(behaviours, levels, int(row["version"]))
    return WindowScore(row["lesson"], row["learner"], float(row["start_s"]), float(row["end_s"]), observation)
