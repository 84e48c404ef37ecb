"""The training settings that every system shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingRecipe:
    """Length, batch size and AdamW settings of a training run; the schedule is a cosine with warm-up.

    `batch_size` is that of all processes together, `accumulate` the number of forward passes that it is
    spread over, `ema_decay` the decay per step of the averaged weights that are evaluated and kept.
    `patience` counts evaluations without improvement.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.05
    warmup_share: float = 0.05
    ema_decay: float = 0.99
    evaluate_every: int = 5
    patience: int = 4
    accumulate: int = 1


@dataclass(frozen=True)
class DistillationRecipe:
    """How a student learns from its teacher.

    Loss = α·T²·KL(teacher ‖ student at temperature T) + (1 − α)·hard loss + feature_weight·feature loss.
    `cached_views` is how many views of every item the teacher sees once and for all, its outputs kept on
    disk; with 0 it runs in every step. `tolerance` is the largest drop of any dev metric below the
    teacher's. Source: Hinton et al. 2015 (https://arxiv.org/abs/1503.02531), section 2.
    """

    temperature: float = 3.0
    alpha: float = 0.5
    feature_weight: float = 1.0
    cached_views: int = 0
    tolerance: float = 0.03


@dataclass(frozen=True)
class BertRecipe:
    """Layers, width, heads, feed-forward width, vocabulary; `pretrained` is a hub checkpoint's name.

    A student takes its teacher's vocabulary.
    """

    layers: int
    hidden: int
    heads: int
    feed_forward: int
    vocab_size: int = 0
    pretrained: str | None = None

    def config(self, vocab_size: int) -> dict[str, Any]:
        """Express the sizes as settings of transformers' BertConfig, for a vocabulary of that size."""
        return {
            "vocab_size": vocab_size,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.feed_forward,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        }
