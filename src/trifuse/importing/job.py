"""One import: where from, where to, and what had to be left out."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.progress import Progress

_EXAMPLES = 3


@dataclass(frozen=True)
class Job:
    """The folders of a published data set and of what is made from it, and counts of what was left out.

    `left_out` maps a reason to how often it was met; its first examples are printed at once.
    """

    folder: Path
    output: Path
    progress: Progress
    left_out: Counter[str] = field(default_factory=Counter)
    quiet: bool = False

    def leave_out(self, reason: str, example: object) -> None:
        """Count something that cannot be imported."""
        self.left_out[reason] += 1
        if self.left_out[reason] <= _EXAMPLES and not self.quiet:
            self.progress.console.print(f"left out: {reason}: {example}", markup=False, highlight=False)

    def again(self) -> Job:
        """Make the job of reading a file a second time: its bad rows have been counted."""
        return replace(self, left_out=Counter(), quiet=True)

    def require(self, layout: Iterable[str]) -> None:
        """Check that the data set is complete; `a|b` asks for one of two. Raises ArtifactError."""
        for entry in layout:
            if not any(any(self.folder.glob(pattern)) for pattern in entry.split("|")):
                raise ArtifactError(
                    f"{self.folder} does not hold the data set as it is published",
                    got=f"no {entry.replace('|', ' and no ')}",
                    expected=", ".join(layout).replace("|", " or "),
                    hint="Unpack the download, or name the folder that holds these",
                )

    def relative(self, file: Path) -> str:
        """Write a file's path as the manifest does: relative to the output folder."""
        return Path(os.path.relpath(file, self.output)).as_posix()
