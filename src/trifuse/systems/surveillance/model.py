"""The surveillance models: an encoder a modality, and the fusion that decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from trifuse.compression.prune import LstmSite, Prunable
from trifuse.models.audio_lstm import AudioLSTM
from trifuse.models.bert import attention_heads, build_bert, residual_writers
from trifuse.models.modality_fusion import ModalityFusion
from trifuse.models.r3d import R3D, R3DSize
from trifuse.models.r3d import residual_writers as video_writers
from trifuse.systems.surveillance.contract import (
    AUDIO_TOKENS,
    DECISIONS,
    MODALITIES,
    SCENE_DIM,
    TOKEN_DIM,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from trifuse.contracts import SystemContract, TensorSpec


class _Projection(nn.Sequential):
    """What every modality's states go through before the fusion, so that none outweighs the others."""

    def __init__(self, features: int) -> None:
        super().__init__(nn.Linear(features, TOKEN_DIM), nn.LayerNorm(TOKEN_DIM))


class VideoEncoder(nn.Module):
    """R3D features, averaged over the picture, as tokens (batch, time, 256)."""

    def __init__(self, backbone: R3D) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = _Projection(backbone.channels)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Compute the tokens of clips (batch, 3, frames, size, size)."""
        tokens: Tensor = self.projection(self.backbone(pixel_values).mean(dim=(3, 4)).transpose(1, 2))
        return tokens


class AudioEncoder(nn.Module):
    """LSTM states of MFCC frames as tokens (batch, 4, 256)."""

    def __init__(self, backbone: AudioLSTM) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = _Projection(backbone.lstm.hidden_size)

    def forward(self, mfcc: Tensor, mfcc_lengths: Tensor) -> Tensor:
        """Compute the tokens of MFCC (batch, frames, coefficients) with lengths (batch, 1)."""
        tokens: Tensor = self.projection(self.backbone(mfcc, mfcc_lengths))
        return tokens


class TextEncoder(nn.Module):
    """The mean of BERT's states as one token (batch, 1, 256); it learns more from little than the first."""

    def __init__(self, backbone: nn.Module, hidden: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = _Projection(hidden)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute the token of ids and mask (batch, tokens)."""
        states = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        words = attention_mask[:, :, None].to(states.dtype)
        token: Tensor = self.projection(
            (states * words).sum(dim=1, keepdim=True) / words.sum(dim=1, keepdim=True)
        )
        return token


class Fusion(nn.Module):
    """Decides from all modalities: calibrated probabilities of abnormal and of every event, and thresholds.

    `slope`, `bias` (Platt's calibration, https://doi.org/10.1145/1102351.1102430, section 4) and `cutoffs`
    (of probabilities) are fitted after training; each is (7,), in the order of DECISIONS.
    """

    slope: Tensor
    bias: Tensor
    cutoffs: Tensor

    def __init__(self, fusion: ModalityFusion, width: int) -> None:
        super().__init__()
        self.scene = _Projection(SCENE_DIM)
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
    ) -> tuple[Tensor, Tensor]:
        """Compute the logits before calibration (batch, 7) and the fused vector (batch, width)."""
        tokens = (video_tokens, audio_tokens, text_tokens, self.scene(evidence)[:, None])
        fused = self.fusion(tokens, present)
        return self.classifier(fused), fused

    def forward(
        self,
        video_tokens: Tensor,
        audio_tokens: Tensor,
        text_tokens: Tensor,
        evidence: Tensor,
        present: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute (abnormal_score, event_scores, thresholds)."""
        logits, _ = self.logits(video_tokens, audio_tokens, text_tokens, evidence, present)
        scores = torch.sigmoid(self.slope * logits + self.bias)
        return scores[:, :1], scores[:, 1:], self.cutoffs.expand(scores.shape)


class SurveillanceModel(nn.Module):
    """All parts of the surveillance system; the attribute names are the contract's part names."""

    def __init__(self, video: VideoEncoder, audio: AudioEncoder, text: TextEncoder, fusion: Fusion) -> None:
        super().__init__()
        self.video_encoder = video
        self.audio_encoder = audio
        self.text_encoder = text
        self.fusion = fusion

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return self.fusion.bias.device


def build_model(contract: SystemContract, architecture: Mapping[str, Any]) -> SurveillanceModel:
    """Build the models of an architecture (`video`, `audio`, `text`: BERT settings, `fusion`) untrained."""
    coefficients = cast("int", contract.settings["n_mfcc"])
    audio = AudioLSTM(coefficients, tokens=AUDIO_TOKENS, **architecture["audio"])
    text, fusion = architecture["text"], architecture["fusion"]
    counts = [contract.model("video_encoder").outputs[0].dims[0], AUDIO_TOKENS, 1, 1]
    return SurveillanceModel(
        VideoEncoder(R3D(R3DSize(**architecture["video"]))),
        AudioEncoder(audio),
        TextEncoder(build_bert(text), text["hidden_size"]),
        Fusion(ModalityFusion(counts, TOKEN_DIM, **fusion), fusion["width"]),
    )


def export_cases(
    contract: SystemContract, part: str, architecture: Mapping[str, Any], batches: Sequence[int] = (2, 1, 5)
) -> Iterator[dict[str, Tensor]]:
    """Yield inputs of a part over batch sizes and text lengths, to export with (the first) and to compare."""
    generator = torch.Generator().manual_seed(0)
    vocab_size = architecture["text"]["vocab_size"]
    for batch in batches:
        for length in cast("tuple[int, ...]", contract.settings["text_lengths"]):
            yield _example(contract.model(part).inputs, batch, length, vocab_size, generator)


def prunables(
    contract: SystemContract, model: SurveillanceModel, architecture: Mapping[str, Any]
) -> list[Prunable]:
    """Name what can be pruned: the encoders' insides, and the fusion's feed-forward units."""
    video, audio, text, fusion = (
        model.video_encoder,
        model.audio_encoder,
        model.text_encoder,
        model.fusion,
    )
    layers: list[Any] = list(fusion.fusion.layers)
    keep: dict[str, list[nn.Module]] = {
        "video_encoder": [*video_writers(video.backbone), video.projection[0]],
        "audio_encoder": [audio.projection[0]],
        "text_encoder": [*residual_writers(text.backbone), text.projection[0]],
        "fusion": [
            *(module for module in (fusion.fusion.project,) if isinstance(module, nn.Linear)),
            *(
                part
                for layer in layers
                for part in (layer.self_attn, layer.self_attn.out_proj, layer.linear2)
            ),
            fusion.scene[0],
            fusion.classifier,
        ],
    }
    heads = {"text_encoder": attention_heads(text.backbone)}
    lstms = {"audio_encoder": LstmSite("backbone.lstm", "projection.0")}
    return [
        Prunable(
            name,
            model.get_submodule(name),
            tuple(next(export_cases(contract, name, architecture)).values()),
            kept,
            heads.get(name, {}),
            lstms.get(name),
        )
        for name, kept in keep.items()
    ]


def _example(
    specs: tuple[TensorSpec, ...], batch: int, length: int, vocab_size: int, generator: torch.Generator
) -> dict[str, Tensor]:
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[1::2, length // 2 :] = 0
    present = torch.ones(batch, len(MODALITIES))
    present[1::2, 1] = 0
    present[1::3, 2:] = 0
    known = {
        "input_ids": torch.randint(0, vocab_size, (batch, length), generator=generator) * mask,
        "attention_mask": mask,
        "present": present,
    }
    example = {}
    for spec in specs:
        dims = [length if dim == -1 else dim for dim in spec.dims]
        example[spec.name] = known.get(spec.name, torch.randn(batch, *dims, generator=generator))
        if spec.name == "mfcc_lengths":
            # One sound fills its window, others end early.
            frames = specs[0].dims[0]
            example[spec.name] = torch.arange(frames, frames - batch, -1)[:, None]
    return example
