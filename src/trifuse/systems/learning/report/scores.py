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
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from trifuse.systems.learning.calls import Observation
    from trifuse.systems.learning.report.recordings import Recording

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


class ScoreTable:
    """The scores of a run's windows, in a file that has at any moment all that were told until then.

    What the file had of other learners and lessons, or of recordings that changed after it was written, is
    left out: names that were replaced by pseudonyms do not live on. Raises ArtifactError.
    """

    def __init__(self, path: Path, recordings: Sequence[Recording]) -> None:
        self._path = path
        written_s = path.stat().st_mtime if path.is_file() else 0.0
        kept = {one.name for one in recordings if one.path.stat().st_mtime <= written_s}
        self._scores = {
            (*name, one.start_s): one
            for one in read_scores(path)
            if (name := (one.lesson, one.learner)) in kept
        }

    def of(self, recording: Recording, starts_s: Iterable[float]) -> list[WindowScore]:
        """List what is known of a recording's windows that begin at these times."""
        keys = [(*recording.name, start_s) for start_s in starts_s]
        return [self._scores[key] for key in keys if key in self._scores]

    def add(self, scores: Iterable[WindowScore]) -> None:
        """Add scores and write the file, complete or not at all."""
        self._scores |= {(one.lesson, one.learner, one.start_s): one for one in scores}
        write_scores(self._path, self._scores.values())


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
