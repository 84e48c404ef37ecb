"""How well windows are judged: areas under curves for every subset of what was seen, heard and said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trifuse.systems.surveillance.contract import DECISIONS
from trifuse.systems.surveillance.quality import event_precisions, subsets
from trifuse.training.clips.evaluation import answers
from trifuse.training.metrics import area_under_roc, average_precision

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from trifuse.training.clips.data import Clips
    from trifuse.training.clips.evaluation import Parts, Tokens


def scores(model: Parts, tokens: Tokens, data: Clips, present: Tensor) -> NDArray[np.float32]:
    """Fuse what `present` (n, 4) admits: probabilities (n, 7) in the order of DECISIONS."""
    abnormal, events, _ = answers(model, tokens, data, present)
    return np.concatenate([abnormal, events], axis=1)


def report(model: Parts, tokens: Tokens, data: Clips) -> dict[str, Any]:
    """Report a split: AUC and mean AP for every subset of the modalities, and how each decision fares."""
    labels = truth(data)
    found: dict[str, Any] = {"windows": len(data), "subsets": {}}
    for name, admitted in subsets().items():
        probabilities = scores(model, tokens, data, data.present * torch.from_numpy(admitted))
        found["subsets"][name] = {
            "auc": area_under_roc(probabilities[:, 0], labels[:, 0]),
            "ap": float(average_precision(labels[np.argsort(-probabilities[:, 0]), 0][None])[0]),
            "event_ap": float(np.mean(list(event_precisions(probabilities, labels).values()))),
        }
    found["events"] = event_precisions(scores(model, tokens, data, data.present), labels)
    found["positives"] = dict(zip(DECISIONS, labels.sum(axis=0).tolist(), strict=True))
    return found


def truth(data: Clips) -> NDArray[np.bool_]:
    """Give the labels (n, 7) as truth values."""
    return (data.labels > 0).numpy()
