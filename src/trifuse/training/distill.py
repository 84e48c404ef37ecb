"""Distillation: a student's loss towards its teacher's answers, and the task that trains with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch.nn import functional

from trifuse.training.loop import Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trifuse.training.recipe import DistillationRecipe


@dataclass(frozen=True)
class Comparison:
    """What a student and its teacher say about one batch.

    `hard` are the losses towards the labels; `logits` pairs (student, teacher) of shape (rows, classes),
    which for embeddings are the rows of the in-batch similarities; `features` pairs of equal shape.
    """

    hard: dict[str, Tensor]
    logits: dict[str, tuple[Tensor, Tensor]]
    features: dict[str, tuple[Tensor, Tensor]]


class Teachable(Task, Protocol):
    """A task that can also set its model against a teacher."""

    def compare(self, indices: Tensor) -> Comparison:
        """Run student and teacher on the same views of a batch."""


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T²·KL(teacher_T ‖ student_T) of logits (rows, classes), a scalar; no gradient reaches the teacher.

    Source: Hinton et al. 2015 (https://arxiv.org/abs/1503.02531), section 2.
    """
    targets = functional.log_softmax(teacher.detach().float() / temperature, dim=-1)
    found = functional.log_softmax(student.float() / temperature, dim=-1)
    divergence = functional.kl_div(found, targets, reduction="batchmean", log_target=True)
    return divergence * temperature**2


def distillation_losses(comparison: Comparison, recipe: DistillationRecipe) -> dict[str, Tensor]:
    """Weigh the losses of a comparison: α soft, 1 − α hard, and the mean squared error of the features."""
    hard = {name: (1 - recipe.alpha) * loss for name, loss in comparison.hard.items()}
    soft = {
        f"soft {name}": recipe.alpha * soft_loss(student, teacher, recipe.temperature)
        for name, (student, teacher) in comparison.logits.items()
    }
    features = {
        f"feature {name}": recipe.feature_weight
        * (student.float() - teacher.detach().float()).square().sum(dim=-1).mean()
        for name, (student, teacher) in comparison.features.items()
    }
    return hard | soft | features


class DistillationTask:
    """A system's task whose losses also follow a teacher."""

    def __init__(self, task: Teachable, recipe: DistillationRecipe) -> None:
        self._task, self._recipe = task, recipe
        self.selection_metric = task.selection_metric

    @property
    def model(self) -> nn.Module:
        """The student."""
        return self._task.model

    @property
    def items(self) -> int:
        """The number of training items."""
        return self._task.items

    def losses(self, indices: Tensor) -> dict[str, Tensor]:
        """Compute the weighted losses of a batch by name."""
        return distillation_losses(self._task.compare(indices), self._recipe)

    def evaluate(self, model: Any) -> dict[str, float]:
        """Measure a model on the dev part."""
        return self._task.evaluate(model)

    def calibrate(self, model: Any) -> dict[str, float]:
        """Fit the model's scores to probabilities on the dev part."""
        return self._task.calibrate(model)
