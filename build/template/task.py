"""The template system's training task: what a batch costs, and how good the model is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from trifuse.systems.template.quality import headline
from trifuse.training.calibration import fit_temperature
from trifuse.training.clips.evaluation import answers, encode, logits
from trifuse.training.clips.task import ClipTask

if TYPE_CHECKING:
    from torch import Tensor

    from trifuse.models.clip_encoders import ClipModel
    from trifuse.training.clips.evaluation import Parts


class TemplateTask(ClipTask):
    """Cross-entropy of the class."""

    selection_metric = "macro_f1"

    def hard_losses(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Compute the loss of logits (n, classes) towards the labels (n,)."""
        return {"class": functional.cross_entropy(logits, labels)}

    def decisions(self, logits: Tensor) -> dict[str, Tensor]:
        """Give what a student and its teacher are compared by."""
        return {"class": logits}

    def evaluate(self, model: Parts) -> dict[str, float]:
        """Measure a model on the dev part."""
        tokens = encode(model, self._dev, self._settings.video)
        found = answers(model, tokens, self._dev, self._dev.present)
        return headline(found[0], self._dev.labels.numpy())

    def calibrate(self, model: ClipModel) -> dict[str, float]:
        """Fit the probabilities on the dev part."""
        raw = logits(model, self._dev, self._settings.video)
        temperature = fit_temperature(raw, self._dev.labels.numpy())
        model.fusion.sharpness.fill_(1 / temperature)
        return {"temperature": temperature}
