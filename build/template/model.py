"""The template models: an encoder a modality, and the fusion that tells the class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trifuse.models.clip_encoders import (
    ClipModel,
    build_encoders,
    build_fusion,
    clip_cases,
    clip_prunables,
)
from trifuse.systems.template.contract import CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trifuse.compression.prune import Prunable
    from trifuse.contracts import SystemContract
    from trifuse.models.modality_fusion import ModalityFusion

export_cases = clip_cases


class Fusion(nn.Module):
    """Tells the class from all modalities; `sharpness` is fitted after training."""

    sharpness: Tensor

    def __init__(self, fusion: ModalityFusion, width: int) -> None:
        super().__init__()
        self.fusion = fusion
        self.classifier = nn.Linear(width, len(CLASSES))
        self.register_buffer("sharpness", torch.ones(()))

    def logits(
        self, video_tokens: Tensor, audio_tokens: Tensor, text_tokens: Tensor, present: Tensor
    ) -> Tensor:
        """Compute the logits before calibration (batch, classes)."""
        logits: Tensor = self.classifier(self.fusion((video_tokens, audio_tokens, text_tokens), present))
        return logits

    def forward(
        self, video_tokens: Tensor, audio_tokens: Tensor, text_tokens: Tensor, present: Tensor
    ) -> Tensor:
        """Compute class_scores."""
        logits = self.logits(video_tokens, audio_tokens, text_tokens, present)
        return torch.softmax(self.sharpness * logits, dim=1)


def build_model(contract: SystemContract, architecture: Mapping[str, Any]) -> ClipModel:
    """Build the models of an architecture (`video`, `audio`, `text`: BERT settings, `fusion`) untrained."""
    head = Fusion(build_fusion(contract, architecture), architecture["fusion"]["width"])
    return ClipModel(build_encoders(contract, architecture), head)


def prunables(contract: SystemContract, model: ClipModel, architecture: Mapping[str, Any]) -> list[Prunable]:
    """Name what can be pruned: the encoders' insides, and the fusion's feed-forward units."""
    return clip_prunables(contract, model, architecture, [model.fusion.classifier])
