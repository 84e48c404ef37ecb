"""Structured pruning with torch-pruning: channels, feed-forward units and attention heads really go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import torch_pruning
from torch import nn

from trifuse.compression.lstm import prune_lstm
from trifuse.models.bert import update_heads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

# Kernels work on several channels at a time.
_ROUND_TO = 8


@dataclass(frozen=True)
class LstmSite:
    """Where in a part its LSTM is, and the Linear that reads its output: names of submodules."""

    lstm: str
    consumer: str


@dataclass(frozen=True)
class Prunable:
    """A part that can be pruned.

    `keep` are layers whose outputs stay as they are (what other parts consume, residual streams), `heads` the
    number of heads of each query, key and value projection. A part with an `lstm` is pruned by its units,
    which torch-pruning does not know, and by nothing else.
    """

    name: str
    module: nn.Module
    example: tuple[Tensor, ...]
    keep: Sequence[nn.Module]
    heads: Mapping[nn.Module, int] = field(default_factory=dict)
    lstm: LstmSite | None = None


def prune(part: Prunable, original: nn.Module, remaining: float, *, head_ratio: float = 0) -> None:
    """Remove the least important channels and units until the share `remaining` of the original's is left.

    `original` is the same part before any pruning, so that pruning in steps ends at the same sizes as at
    once. `head_ratio` is the share of attention heads to remove. Importance is the L2 norm over everything
    that a channel takes part in. Source: DepGraph (https://arxiv.org/abs/2301.12900), section 3.
    """
    if part.lstm:
        _prune_lstm(part.module, original, part.lstm, remaining)
        return
    sizes = {name: module for name, module in original.named_modules() if _width(module)}
    ratios = {
        module: max(0.0, 1 - remaining * _width(sizes[name]) / _width(module))
        for name, module in part.module.named_modules()
        if name in sizes
    }
    pruner = torch_pruning.pruner.BasePruner(
        part.module,
        part.example,
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=1 - remaining,
        pruning_ratio_dict=ratios,
        ignored_layers=[*part.keep, *([] if head_ratio else part.heads)],
        num_heads=dict(part.heads) if head_ratio else {},
        prune_num_heads=head_ratio > 0,
        prune_head_dims=False,
        head_pruning_ratio=head_ratio,
        round_to=_ROUND_TO,
        # The library's defaults are shared between pruners.
        in_channel_groups={},
        out_channel_groups={},
    )
    pruner.step()
    update_heads(part.module)


def _prune_lstm(module: nn.Module, original: nn.Module, site: LstmSite, remaining: float) -> None:
    lstm, whole = (cast("nn.LSTM", found.get_submodule(site.lstm)) for found in (module, original))
    ratio = max(0.0, 1 - remaining * whole.hidden_size / lstm.hidden_size)
    consumer = cast("nn.Linear", module.get_submodule(site.consumer))
    pruned = prune_lstm(lstm, ratio, round_to=_ROUND_TO, consumer=consumer)
    module.set_submodule(site.lstm, pruned.lstm)
    module.set_submodule(site.consumer, pruned.prune_consumer(consumer))


def _width(module: nn.Module) -> int:
    """Count the output channels of a layer that can be pruned; 0 for others."""
    if isinstance(module, nn.Linear):
        return module.out_features
    return module.out_channels if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) else 0
