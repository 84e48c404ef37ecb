"""Calibration of scores on held-out data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMOOTHING = 0.01


def fit_platt(logits: NDArray[np.float32], labels: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit probability = sigmoid(slope × logit + bias); returns (slope, bias), the slope positive.

    The targets are smoothed by Platt's prior, so that separable data gives a finite slope.
    Source: Platt 1999, "Probabilistic outputs for support vector machines", section 2.2.
    """
    x = torch.from_numpy(logits).double()
    y = torch.from_numpy(labels)
    n_positive, n_negative = int(y.sum()), int((~y).sum())
    targets = torch.where(y, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2)).double()
    parameters = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(parameters[0].exp() * x + parameters[1], targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return float(parameters[0].detach().exp()), float(parameters[1].detach())


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.integer]) -> float:
    """Fit probabilities = softmax(logits / temperature) of classes (n, classes) to the labels (n,).

    Source: Guo et al. 2017 (https://arxiv.org/abs/1706.04599), section 4.2.
    """
    x, y = torch.from_numpy(logits).double(), torch.from_numpy(labels)
    log_slope = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([log_slope], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        # Labels that are easily told would ask for an infinite slope.
        loss = functional.cross_entropy(log_slope.exp() * x, y, label_smoothing=_SMOOTHING)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return float((-log_slope).detach().exp())


def best_threshold(
    probabilities: NDArray[np.floating], labels: NDArray[np.bool_], beta: float = 1.0
) -> float:
    """Choose the threshold of probabilities (n,) with the highest F-measure; 0.5 where nothing is positive.

    With `beta` below 1 precision counts more than recall.
    Source: van Rijsbergen 1979, "Information Retrieval", chapter 7.
    """
    if not labels.any():
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    hits = np.cumsum(labels[order])
    measure = (1 + beta**2) * hits / (np.arange(1, len(labels) + 1) + beta**2 * labels.sum())
    best = int(measure.argmax())
    below = probabilities[order[best + 1]] if best + 1 < len(order) else 0.0
    return float((probabilities[order[best]] + below) / 2)
