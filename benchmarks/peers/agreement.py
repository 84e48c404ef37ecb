"""Before anything is measured: every server gives the same answers to the same payloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trifuse.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.peers.calling import Answer

TOLERANCE = 1e-3


def check_agreement(title: str, answers: Sequence[Answer], expected: Sequence[Answer]) -> float:
    """Compare a server's answers with the expected ones; returns the largest difference of any number.

    Raises ServerError above the tolerance.
    """
    largest = max(map(difference, answers, expected))
    if not largest <= TOLERANCE:
        raise ServerError(
            f"{title} gives other answers",
            got=f"a difference of {largest:.2g}",
            expected=f"at most {TOLERANCE:g}",
        )
    return largest


def check_sane(title: str, answers: Sequence[Answer], expected: Sequence[Answer]) -> None:
    """Check names, shapes and that all is finite, for a model of other weights. Raises ServerError."""
    for answer, model in zip(answers, expected, strict=True):
        shapes = {name: value.shape for name, value in answer.items()}
        wanted = {name: value.shape for name, value in model.items()}
        if shapes != wanted or not all(np.isfinite(value).all() for value in answer.values()):
            raise ServerError(f"{title} gives no such answers", got=shapes, expected=f"{wanted}, all finite")


def difference(answer: Mapping[str, object], expected: Answer) -> float:
    """Find the largest difference between two answers; infinity when names or shapes differ."""
    if answer.keys() != expected.keys():
        return float("inf")
    pairs = [(np.asarray(answer[name]), value) for name, value in expected.items()]
    if any(one.shape != other.shape for one, other in pairs):
        return float("inf")
    return max(float(np.max(np.abs(one - other), initial=0)) for one, other in pairs)
