"""The training task of systems that look at windows: views, withheld modalities, a teacher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.clip_contract import SENSES
from trifuse.training.clips.evaluation import Tokens, fusion_inputs
from trifuse.training.clips.views import DRAWS, ViewSettings, encode_views
from trifuse.training.distill import Comparison

if TYPE_CHECKING:
    from trifuse.models.clip_encoders import ClipModel
    from trifuse.training.clips.data import Clips
    from trifuse.training.clips.teacher import Teacher


class ClipTask(ABC):
    """Trains on views of windows with modalities withheld at random; a system adds losses and figures.

    A batch is the indices of its windows. Source of modality dropout: ModDrop
    (https://arxiv.org/abs/1501.00102), section 3.2.
    """

    def __init__(
        self,
        model: ClipModel,
        train: Clips,
        dev: Clips,
        settings: ViewSettings,
        teacher: Teacher | None = None,
    ) -> None:
        self.model = model
        self._train, self._dev = train, dev
        self._settings, self._teacher = settings, teacher

    @abstractmethod
    def hard_losses(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Compute the losses of logits towards the labels, by name."""

    @abstractmethod
    def decisions(self, logits: Tensor) -> dict[str, Tensor]:
        """Write logits as rows of classes (rows, classes), to compare them softly with a teacher's."""

    @property
    def items(self) -> int:
        """The number of training windows."""
        return len(self._train)

    def losses(self, indices: Tensor) -> dict[str, Tensor]:
        """Compute the losses of a batch by name."""
        present = self._withhold(self._train.present[indices])
        draws = torch.rand(len(indices), DRAWS)
        tokens = encode_views(self.model, self._train, indices, draws, self._settings)
        return self._losses(self._logits(tokens, indices, present), indices)

    def compare(self, indices: Tensor) -> Comparison:
        """Run student and teacher on the same views, the same modalities withheld from both."""
        assert self._teacher is not None  # noqa: S101
        present = self._withhold(self._train.present[indices])
        views = self._teacher.choose(indices)
        tokens = encode_views(self.model, self._train, indices, views.draws, self._settings)
        logits = self._logits(tokens, indices, present)
        taught, answered = self._teacher.answers(indices, views, present)
        student, teacher = self.decisions(logits), self.decisions(answered)
        return Comparison(
            self._losses(logits, indices),
            {name: (student[name], teacher[name]) for name in student},
            _features(tokens, taught, self._train.present[indices].to(logits.device)),
        )

    def _logits(self, tokens: Tokens, indices: Tensor, present: Tensor) -> Tensor:
        inputs = fusion_inputs(self.model.device, tokens, self._train, indices, present)
        logits: Tensor = self.model.fusion.logits(*inputs)
        return logits

    def _losses(self, logits: Tensor, indices: Tensor) -> dict[str, Tensor]:
        return self.hard_losses(logits, self._train.labels[indices].to(logits.device))

    def _withhold(self, present: Tensor) -> Tensor:
        """Drop modalities at random; a window keeps one at least of those that it has."""
        kept = present * (torch.rand(present.shape) >= self._settings.modality_dropout)
        lost = kept.sum(dim=1, keepdim=True) == 0
        return torch.where(lost, present, kept)


def _features(student: Tokens, teacher: Tokens, present: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Pair up the tokens as unit vectors, (n, tokens, dim), those of absent modalities as zeros."""
    found = {}
    for column, name in enumerate(SENSES):
        there = present[:, column, None, None]
        first, second = (functional.normalize(getattr(tokens, name), dim=-1) for tokens in (student, teacher))
        found[name] = (there * first, there * second)
    return found
