"""The surveillance models: an encoder a modality, and the fusion that decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trifuse.models.clip_encoders import (
    ClipModel,
    Projection,
    build_encoders,
    build_fusion,
    clip_cases,
    clip_prunables,
)
from trifuse.systems.surveillance.contract import DECISIONS, SCENE_DIM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trifuse.compression.prune import Prunable
    from trifuse.contracts import SystemContract
    from trifuse.models.modality_fusion import ModalityFusion

export_cases = clip_cases


class Fusion(nn.Module):
    """Decides from all modalities: calibrated probabilities of abnormal and of every event, and thresholds.

    `slope`, `bias` (Platt's calibration, https://doi.org/10.1145/1102351.1102430, section 4) and `cutoffs`
    (of probabilities) are fitted after training; each is (7,), in the order of DECISIONS.
    """

    slope: Tensor
    bias: Tensor
    cutoffs: Tensor

    def __init__(self, fusion: ModalityFusion, width: int, dim: int) -> None:
        super().__init__()
        self.scene = Projection(SCENE_DIM, dim)
        self.fusion = fusion
        self.classifier = nn.Linear(width, len(DECISIONS))
        self.register_buffer("slope", torch.ones(len(DECISIONS)))
        self.register_buffer("bias", torch.zeros(len(DECISIONS)))
        self.register_buffer("cutoffs", torch.full((len(DECISIONS),), 0.5))

    def logits(
        self,
        video_tokens: Tensor,
        audio_tokens: Tensor,
        text_tokens: Tensor,
        evidence: Tensor,
        present: Tensor,
    ) -> Tensor:
        """Compute the logits before calibration (batch, 7)."""
        tokens = (video_tokens, audio_tokens, text_tokens, self.scene(evidence)[:, None])
        logits: Tensor = self.classifier(self.fusion(tokens, present))
        return logits

    def forward(
        self,
        video_tokens: Tensor,
        audio_tokens: Tensor,
        text_tokens: Tensor,
        evidence: Tensor,
        present: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute (abnormal_score, event_scores, thresholds)."""
        logits = self.logits(video_tokens, audio_tokens, text_tokens, evidence, present)
        scores = torch.sigmoid(self.slope * logits + self.bias)
        return scores[:, :1], scores[:, 1:], self.cutoffs.expand(scores.shape)


class SurveillanceModel(ClipModel):
    """All parts of the surveillance system."""

    fusion: Fusion


def build_model(contract: SystemContract, architecture: Mapping[str, Any]) -> SurveillanceModel:
    """Build the models of an architecture (`video`, `audio`, `text`: BERT settings, `fusion`) untrained."""
    fusion = build_fusion(contract, architecture)
    dim = contract.model("text_encoder").outputs[0].dims[-1]
    head = Fusion(fusion, architecture["fusion"]["width"], dim)
    return SurveillanceModel(build_encoders(contract, architecture), head)


def prunables(
    contract: SystemContract, model: SurveillanceModel, architecture: Mapping[str, Any]
) -> list[Prunable]:
    """Name what can be pruned: the encoders' insides, and the fusion's feed-forward units."""
    return clip_prunables(contract, model, architecture, [model.fusion.scene[0], model.fusion.classifier])
