"""What a model weighs: parameters, and multiply-accumulate operations for one item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn


@dataclass(frozen=True)
class Cost:
    """Parameters, and MACs of one inference."""

    parameters: int
    macs: int


def cost(module: nn.Module, inputs: Sequence[Tensor]) -> Cost:
    """Count a module's parameters and its MACs on the inputs; convolutions, matrix products, attention.

    torch's own counter also sees modules that torch-pruning's skips, such as r3d_18's convolutions.
    """
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), counter:
        module(*inputs)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return Cost(parameters, counter.get_total_flops() // 2)
