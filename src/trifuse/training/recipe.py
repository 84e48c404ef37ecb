"""The training settings that every system shares."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingRecipe:
    """Length, batch size and AdamW settings of a training run; the schedule is a cosine with warm-up.

    `ema_decay` is the decay per step of the averaged weights that are evaluated and kept.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.05
    warmup_share: float = 0.05
    ema_decay: float = 0.99
    evaluate_every: int = 5
    patience: int = 4
    seed: int = 0
