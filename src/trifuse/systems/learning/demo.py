"""What `make demo SYSTEM=learning` shows of the system once it is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trifuse.catalog import read_catalog
from trifuse.systems.learning.generator import write_lesson

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EPOCHS = 16
_MINUTES, _LEARNERS, _SEED = 5.0, 6, 11


def show(
    step: Callable[..., None],
    answer: Callable[..., Any],  # noqa: ARG001
    url: str,
    manifest: Path,
    repository: Path,  # noqa: ARG001
    folder: Path,
) -> list[str]:
    """Observe a clip, measure, and report on a lesson; returns the findings.

    `step` runs a command for people to read.
    """
    clip = next(item.path for item in read_catalog(manifest, "validation") if "end_s" not in item.attributes)
    step("clients/infer.py", "learning", "clip", "--clip", clip, "--url", url)
    step("benchmarks/quality.py", "learning", "--data", manifest, "--url", url)
    step("benchmarks/latency.py", "learning", "--clip", clip, "--url", url)
    lesson = write_lesson(folder / "lesson", minutes=_MINUTES, learners=_LEARNERS, seed=_SEED)
    step("clients/report.py", lesson, "--output", folder / "report", "--url", url)
    return [f"the report on a lesson of {_MINUTES:g} minutes is {folder / 'report' / 'report.html'}"]
