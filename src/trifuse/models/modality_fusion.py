"""Transformer fusion of modalities of which some may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIME_SLOTS = 4


class ModalityFusion(nn.Module):
    """Fuses tokens of several modalities (batch, n, dim each) into one vector (batch, width).

    CLS, a modality embedding and a time embedding join the tokens; a modality's tokens divide the window
    evenly. A missing modality is one learned token, and its others are masked. `width` is that of the
    encoder, which may be narrower than `dim`. Sources: Attention Is All You Need (https://arxiv.org/abs/1706.03762);
    missing tokens as in masked autoencoders (https://arxiv.org/abs/2111.06377, section 3).
    """

    _slots: Tensor
    _modality_of: Tensor
    _first: Tensor

    def __init__(
        self, token_counts: Sequence[int], dim: int, *, width: int, heads: int, feed_forward: int, layers: int
    ) -> None:
        super().__init__()
        self.project = nn.Linear(dim, width) if width != dim else nn.Identity()
        self.start = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.missing = nn.Parameter(torch.randn(len(token_counts), width) * 0.02)
        self.modality = nn.Parameter(torch.randn(len(token_counts), width) * 0.02)
        self.time = nn.Parameter(torch.randn(_TIME_SLOTS, width) * 0.02)
        self.layers = nn.ModuleList(_layer(width, heads, feed_forward) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        slots = [index * _TIME_SLOTS // count for count in token_counts for index in range(count)]
        of = [number for number, count in enumerate(token_counts) for _ in range(count)]
        first = [index == 0 for count in token_counts for index in range(count)]
        self.register_buffer("_slots", torch.tensor(slots), persistent=False)
        self.register_buffer("_modality_of", torch.tensor(of), persistent=False)
        self.register_buffer("_first", torch.tensor(first), persistent=False)

    def forward(self, tokens: Sequence[Tensor], present: Tensor) -> Tensor:
        """Fuse; `present` (batch, modalities) is 1 for what is there."""
        there = present[:, self._modality_of, None] > 0
        content = self.project(torch.cat(list(tokens), dim=1))
        content = torch.where(there, content, self.missing[self._modality_of])
        content = content + self.modality[self._modality_of] + self.time[self._slots]
        states = torch.cat([self.start.expand(len(present), -1, -1), content], dim=1)
        # CLS and the first token of each modality are always valid keys.
        gone = ~(there[:, :, 0] | self._first)
        padding = torch.cat([torch.zeros_like(gone[:, :1]), gone], dim=1)
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=padding)
        fused: Tensor = self.norm(states[:, 0])
        return fused

    def residual_writers(self) -> list[nn.Module]:
        """List the layers that write into the residual stream, whose width pruning must not change."""
        layers: list[Any] = list(self.layers)
        written = [(layer.self_attn, layer.self_attn.out_proj, layer.linear2) for layer in layers]
        project = [self.project] if isinstance(self.project, nn.Linear) else []
        return [*project, *(part for parts in written for part in parts)]


def _layer(width: int, heads: int, feed_forward: int) -> nn.Module:
    return nn.TransformerEncoderLayer(
        width, heads, feed_forward, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
    )
