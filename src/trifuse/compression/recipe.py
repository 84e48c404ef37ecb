"""The compression settings that every system shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trifuse.training.recipe import TrainingRecipe


@dataclass(frozen=True)
class PruningRecipe:
    """How much is pruned and how the model recovers.

    `ratio` is the share of channels, feed-forward units and attention heads that go; channels and units in
    `steps` equal shares with a training of their own after each, heads all in the first.
    `tolerance` is the largest drop of any dev metric.
    """

    training: TrainingRecipe
    ratio: float = 0.5
    steps: int = 2
    tolerance: float = 0.02


@dataclass(frozen=True)
class QuantizationRecipe:
    """How int8 variants are calibrated, measured and accepted.

    `samples` training items calibrate; `repeats` inferences are timed for each variant and batch size;
    `tolerance` is the largest drop of any dev metric, all parts together.
    """

    samples: int = 128
    repeats: int = 100
    tolerance: float = 0.01
