"""The learning models: an encoder a modality, and the fusion that tells behaviour and attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.models.clip_encoders import (
    ClipModel,
    build_encoders,
    build_fusion,
    clip_cases,
    clip_prunables,
)
from trifuse.systems.learning.contract import BEHAVIOURS, LEVELS
from trifuse.systems.learning.labels import AFFECTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trifuse.compression.prune import Prunable
    from trifuse.contracts import SystemContract
    from trifuse.models.modality_fusion import ModalityFusion

export_cases = clip_cases


class OrdinalHead(nn.Module):
    """Logits of "above level k" (batch, levels - 1): one direction, and thresholds that keep their order.

    Source: CORAL (https://arxiv.org/abs/1901.07884), section 3.3.
    """

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        self.direction = nn.Linear(width, 1)
        self.gaps = nn.Parameter(torch.ones(levels - 2))

    def forward(self, fused: Tensor) -> Tensor:
        """Compute the logits of fused vectors (batch, width)."""
        steps = torch.cat([self.gaps.new_zeros(1), functional.softplus(self.gaps).cumsum(dim=0)])
        logits: Tensor = self.direction(fused) - steps
        return logits


class Fusion(nn.Module):
    """Tells a learner's behaviour and attention from all modalities, as calibrated probabilities.

    `sharpness` of the behaviours and `slope` and `shift` of the attention are fitted after training. Heads of
    affect, for research, are trained where the recipe says so; what is exported never runs them.
    """

    sharpness: Tensor
    slope: Tensor
    shift: Tensor

    def __init__(self, fusion: ModalityFusion, width: int, *, affects: bool) -> None:
        super().__init__()
        self.fusion = fusion
        self.behaviour = nn.Linear(width, len(BEHAVIOURS))
        self.attention = OrdinalHead(width, len(LEVELS))
        self.affects = nn.ModuleList(OrdinalHead(width, len(LEVELS)) for _ in AFFECTS if affects)
        for name, value in (("sharpness", 1.0), ("slope", 1.0), ("shift", 0.0)):
            self.register_buffer(name, torch.tensor(value))

    def logits(
        self, video_tokens: Tensor, audio_tokens: Tensor, text_tokens: Tensor, present: Tensor
    ) -> Tensor:
        """Compute the logits before calibration: behaviours (batch, 7), attention (3), affects (3 each)."""
        fused = self.fusion((video_tokens, audio_tokens, text_tokens), present)
        heads = (self.behaviour, self.attention, *self.affects)
        return torch.cat([head(fused) for head in heads], dim=1)

    def forward(
        self, video_tokens: Tensor, audio_tokens: Tensor, text_tokens: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute (behaviour_scores, attention_scores)."""
        fused = self.fusion((video_tokens, audio_tokens, text_tokens), present)
        behaviours = torch.softmax(self.sharpness * self.behaviour(fused), dim=1)
        above = torch.sigmoid(self.slope * self.attention(fused) + self.shift)
        bounds = torch.cat([torch.ones_like(above[:, :1]), above, torch.zeros_like(above[:, :1])], dim=1)
        return behaviours, bounds[:, :-1] - bounds[:, 1:]


class LearningModel(ClipModel):
    """All parts of the learning system."""

    fusion: Fusion


def build_model(contract: SystemContract, architecture: Mapping[str, Any]) -> LearningModel:
    """Build the models of an architecture (`video`, `audio`, `text`, `fusion`, `affects`) untrained."""
    width, affects = architecture["fusion"]["width"], architecture["affects"]
    head = Fusion(build_fusion(contract, architecture), width, affects=affects)
    return LearningModel(build_encoders(contract, architecture), head)


def prunables(
    contract: SystemContract, model: LearningModel, architecture: Mapping[str, Any]
) -> list[Prunable]:
    """Name what can be pruned: the encoders' insides, and the fusion's feed-forward units."""
    fusion = model.fusion
    heads = [fusion.attention, *fusion.affects]
    return clip_prunables(
        contract, model, architecture, [fusion.behaviour, *(head.direction for head in heads)]
    )
