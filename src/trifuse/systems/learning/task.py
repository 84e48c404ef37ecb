"""The learning system's training task: what a batch costs, and how good the model is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from trifuse.systems.learning.contract import BEHAVIOURS, LEVELS
from trifuse.systems.learning.labels import LABELS
from trifuse.systems.learning.quality import headline
from trifuse.training.calibration import fit_platt, fit_temperature
from trifuse.training.clips.evaluation import answers, encode, logits
from trifuse.training.clips.task import ClipTask
from trifuse.training.losses import balanced_cross_entropy, class_balance, ordinal_loss

if TYPE_CHECKING:
    from torch import Tensor

    from trifuse.models.clip_encoders import ClipModel
    from trifuse.systems.learning.model import LearningModel
    from trifuse.training.clips.data import Clips
    from trifuse.training.clips.evaluation import Parts
    from trifuse.training.clips.teacher import Teacher
    from trifuse.training.clips.views import ViewSettings

_THRESHOLDS = len(LEVELS) - 1
# Where the dev part is too small to tell anything, probabilities hardly move and yet keep their order.
_LEAST_SLOPE = 0.05


class LearningTask(ClipTask):
    """Class-balanced cross-entropy of the behaviour, and ordinal losses of all scales."""

    selection_metric = "quality"

    def __init__(
        self,
        model: ClipModel,
        train: Clips,
        dev: Clips,
        settings: ViewSettings,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__(model, train, dev, settings, teacher)
        sizes = (len(BEHAVIOURS), *(len(LEVELS) for _ in LABELS[1:]))
        self._weights = [class_balance(train.labels[:, column], size) for column, size in enumerate(sizes)]

    def hard_losses(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Compute the losses of logits (n, 7 + 3 a scale) towards the labels (n, 5), by name."""
        weights = [part.to(logits.device) for part in self._weights]
        behaviour, *scales = _heads(logits)
        found = {"behaviour": balanced_cross_entropy(behaviour, labels[:, 0], weights[0])}
        for column, scale in enumerate(scales, 1):
            found[LABELS[column]] = ordinal_loss(scale, labels[:, column], weights[column])
        return found

    def decisions(self, logits: Tensor) -> dict[str, Tensor]:
        """Write behaviours as they are, and each threshold of a scale as a row of two classes."""
        behaviour, *scales = _heads(logits)
        flat = torch.cat(scales, dim=1).flatten()
        return {"behaviour": behaviour, "scales": torch.stack([torch.zeros_like(flat), flat], dim=1)}

    def evaluate(self, model: Parts) -> dict[str, float]:
        """Measure a model on the dev part; `quality` is the mean of the headline figures."""
        tokens = encode(model, self._dev, self._settings.video)
        behaviours, attention = answers(model, tokens, self._dev, self._dev.present)
        found = headline(behaviours, attention, self._dev.labels.numpy())
        return {"quality": float(np.mean(list(found.values()))), **found}

    def calibrate(self, model: LearningModel) -> dict[str, float]:
        """Fit the probabilities of the behaviours and of the attention levels on the dev part."""
        raw, labels = logits(model, self._dev, self._settings.video), self._dev.labels.numpy()
        found: dict[str, float] = {}
        told = labels[:, 0] >= 0
        if told.any():
            found["behaviour temperature"] = fit_temperature(raw[told, : len(BEHAVIOURS)], labels[told, 0])
            model.fusion.sharpness.fill_(1 / found["behaviour temperature"])
        told = labels[:, 1] >= 0
        if told.any():
            scale = raw[told, len(BEHAVIOURS) : len(BEHAVIOURS) + _THRESHOLDS]
            above = labels[told, 1][:, None] > np.arange(_THRESHOLDS)
            slope, shift = fit_platt(scale.flatten(), above.flatten())
            slope = max(slope, _LEAST_SLOPE)
            model.fusion.slope.fill_(slope)
            model.fusion.shift.fill_(shift)
            found["attention temperature"] = 1 / slope
        return found


def _heads(logits: Tensor) -> list[Tensor]:
    """Split logits into the behaviours' (n, 7) and those of every ordinal scale (n, 3)."""
    scales = (logits.shape[1] - len(BEHAVIOURS)) // _THRESHOLDS
    return list(torch.split(logits, [len(BEHAVIOURS), *[_THRESHOLDS] * scales], dim=1))
