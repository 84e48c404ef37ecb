"""The surveillance system's training task: what a batch costs, and how good the model is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from trifuse.systems.surveillance.contract import DECISIONS
from trifuse.systems.surveillance.evaluation import scores, truth
from trifuse.systems.surveillance.quality import headline_values
from trifuse.training.calibration import best_threshold, fit_platt
from trifuse.training.clips.evaluation import encode, logits
from trifuse.training.clips.task import ClipTask

if TYPE_CHECKING:
    from torch import Tensor

    from trifuse.systems.surveillance.model import SurveillanceModel
    from trifuse.training.clips.evaluation import Parts

# Where the dev part is too small to tell anything, scores hardly move and yet keep their order.
_LEAST_SLOPE = 0.05
# Most of what cameras see is normal, and alerts that are often false are soon read by nobody.
_BETA = 0.5


class SurveillanceTask(ClipTask):
    """Binary cross-entropy of abnormal and of every event."""

    selection_metric = "auc"

    def hard_losses(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Compute the losses of logits (n, 7) towards the labels (n, 7), by name."""
        found = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        # What is abnormal without an event may be any of them, or another.
        told = (labels[:, 0] == 0) | (labels[:, 1:].sum(dim=1) > 0)
        return {"abnormal": found[:, 0].mean(), "events": (told[:, None] * found[:, 1:]).sum(dim=1).mean()}

    def decisions(self, logits: Tensor) -> dict[str, Tensor]:
        """Write binary decisions (n, 7) as rows of two classes (7 n, 2)."""
        flat = logits.flatten()
        return {"decisions": torch.stack([torch.zeros_like(flat), flat], dim=1)}

    def evaluate(self, model: Parts) -> dict[str, float]:
        """Measure a model on the dev part: the AUC of abnormal, and the mean AP of the events."""
        tokens = encode(model, self._dev, self._settings.video)
        found = scores(model, tokens, self._dev, self._dev.present)
        return {
            name: float(np.mean(values)) for name, values in headline_values(found, truth(self._dev)).items()
        }

    def calibrate(self, model: SurveillanceModel) -> dict[str, float]:
        """Fit each decision's probability and threshold (the best F0.5) on the dev part."""
        raw, labels = logits(model, self._dev, self._settings.video), truth(self._dev)
        found: dict[str, float] = {}
        for column, decision in enumerate(DECISIONS):
            slope, bias = fit_platt(raw[:, column], labels[:, column])
            slope = max(slope, _LEAST_SLOPE)
            probabilities = 1 / (1 + np.exp(-(slope * raw[:, column] + bias)))
            threshold = best_threshold(probabilities, labels[:, column], _BETA)
            model.fusion.slope[column], model.fusion.bias[column] = slope, bias
            model.fusion.cutoffs[column] = threshold
            found |= {f"{decision} temperature": 1 / slope, f"{decision} threshold": threshold}
        return found
