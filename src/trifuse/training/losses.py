"""Losses: two modalities in one space, classes of uneven frequency, ordinal scales."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_MAX_LOG_SCALE = 4.6  # a temperature of 0.01, as in CLIP


def contrastive_loss(first: Tensor, second: Tensor, log_scale: Tensor, relevance: Tensor) -> Tensor:
    """Symmetric contrastive loss of unit vectors (batch, dim) where a row may have several positives.

    `relevance` (batch, batch) is symmetric and says how much two rows belong together, the diagonal included;
    `log_scale` is the logarithm of 1 / temperature.
    Source: UniCL (https://arxiv.org/abs/2204.03610, equation 2), with graded positives.
    """
    # Temperatures near 0.01 magnify what bfloat16 would round away.
    with torch.autocast(first.device.type, enabled=False):
        logits = log_scale.clamp(max=_MAX_LOG_SCALE).exp() * first.float() @ second.float().T
    targets = relevance / relevance.sum(dim=1, keepdim=True)
    return (functional.cross_entropy(logits, targets) + functional.cross_entropy(logits.T, targets)) / 2


def sample_hard_negatives(
    similarity: Tensor, positives: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Draw a wrong partner for every row, the more similar the likelier; shape (batch,).

    Pairs in `positives` are never drawn (a row without any wrong partner gets an arbitrary one).
    Source: ALBEF (https://arxiv.org/abs/2107.07651, section 3.2).
    """
    weights = torch.softmax(similarity.detach().float(), dim=1) + 1e-6
    weights = weights.masked_fill(positives.bool(), 0) + 1e-12
    return torch.multinomial(weights, 1, generator=generator)[:, 0]


def class_balance(labels: Tensor, classes: int, beta: float = 0.999) -> Tensor:
    """Weigh classes by the effective number of their labels (n,), with a mean of 1; -1 is no label.

    A class without labels weighs nothing.
    Source: Cui et al. 2019 (https://arxiv.org/abs/1901.05555), equation 2.
    """
    counts = torch.bincount(labels[labels >= 0], minlength=classes).double()
    weights = torch.where(counts > 0, (1 - beta) / (1 - beta ** counts.clamp(min=1)), 0.0)
    return (weights * (counts > 0).sum() / weights.sum().clamp(min=1e-12)).float()


def balanced_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of (n, classes) towards labels (n,), weighed by class; -1 is no label, none at all 0."""
    labelled = labels >= 0
    if not labelled.any():
        return logits.sum() * 0
    return functional.cross_entropy(logits[labelled], labels[labelled], weight=weights)


def ordinal_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy of "above level k" logits (n, levels - 1) towards ordinal labels (n,).

    Each label weighs as its level does; -1 is no label, none at all gives 0.
    Source: CORAL (https://arxiv.org/abs/1901.07884), equation 4.
    """
    labelled = labels >= 0
    if not labelled.any():
        return logits.sum() * 0
    logits, labels = logits[labelled], labels[labelled]
    above = (labels[:, None] > torch.arange(logits.shape[1], device=labels.device)).to(logits.dtype)
    found = functional.binary_cross_entropy_with_logits(logits, above, reduction="none").sum(dim=1)
    return (weights[labels] * found).sum() / weights[labels].sum()
