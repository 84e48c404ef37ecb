"""Losses for two modalities in one space."""

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
