"""Encoders of a window's video, audio and text, whose tokens a fusion takes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from trifuse.compression.prune import LstmSite, Prunable
from trifuse.export.cases import BATCHES, export_cases
from trifuse.models.audio_lstm import AudioLSTM
from trifuse.models.bert import attention_heads, build_bert, residual_writers
from trifuse.models.modality_fusion import ModalityFusion
from trifuse.models.r3d import R3D, R3DSize
from trifuse.models.r3d import residual_writers as video_writers
from trifuse.models.r3d_frames import FramewiseR3D

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from trifuse.contracts import SystemContract


ENCODERS = ("video_encoder", "audio_encoder", "text_encoder")


class Projection(nn.Sequential):
    """What every modality's states go through before the fusion, so that none outweighs the others."""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__(nn.Linear(features, dim), nn.LayerNorm(dim))


class VideoEncoder(nn.Module):
    """R3D features, averaged over the picture, as tokens (batch, time, dim)."""

    def __init__(self, backbone: R3D, dim: int) -> None:
        super().__init__()
        self.backbone: nn.Module = backbone
        self.projection = Projection(backbone.channels, dim)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Compute the tokens of clips (batch, 3, frames, size, size)."""
        tokens: Tensor = self.projection(self.backbone(pixel_values).mean(dim=(3, 4)).transpose(1, 2))
        return tokens

    def for_export(self) -> VideoEncoder:
        """Copy the encoder in the form that it is served in."""
        copied = copy.deepcopy(self)
        copied.backbone = FramewiseR3D(cast("R3D", copied.backbone))
        return copied


class AudioEncoder(nn.Module):
    """LSTM states of MFCC frames as tokens (batch, 4, dim)."""

    def __init__(self, backbone: AudioLSTM, dim: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = Projection(backbone.lstm.hidden_size, dim)

    def forward(self, mfcc: Tensor, mfcc_lengths: Tensor) -> Tensor:
        """Compute the tokens of MFCC (batch, frames, coefficients) with lengths (batch, 1)."""
        tokens: Tensor = self.projection(self.backbone(mfcc, mfcc_lengths))
        return tokens


class TextEncoder(nn.Module):
    """The mean of BERT's states as one token (batch, 1, dim); it learns more from little than the first."""

    def __init__(self, backbone: nn.Module, hidden: int, dim: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = Projection(hidden, dim)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute the token of ids and mask (batch, tokens)."""
        states = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        words = attention_mask[:, :, None].to(states.dtype)
        token: Tensor = self.projection(
            (states * words).sum(dim=1, keepdim=True) / words.sum(dim=1, keepdim=True)
        )
        return token


def build_encoders(
    contract: SystemContract, architecture: Mapping[str, Any]
) -> tuple[VideoEncoder, AudioEncoder, TextEncoder]:
    """Build the encoders of an architecture (`video`, `audio`, `text`: BERT settings) untrained."""
    coefficients = cast("int", contract.settings["n_mfcc"])
    audio_tokens, dim = contract.model("audio_encoder").outputs[0].dims
    text = architecture["text"]
    return (
        VideoEncoder(R3D(R3DSize(**architecture["video"])), dim),
        AudioEncoder(AudioLSTM(coefficients, tokens=audio_tokens, **architecture["audio"]), dim),
        TextEncoder(build_bert(text), text["hidden_size"], dim),
    )


def build_fusion(contract: SystemContract, architecture: Mapping[str, Any]) -> ModalityFusion:
    """Build the Transformer over the encoders' tokens, and one token of each modality beyond these."""
    outputs = [contract.model(name).outputs[0] for name in ENCODERS]
    further = contract.model("fusion").inputs[-1].dims[0] - len(outputs)
    counts = [tensor.dims[0] for tensor in outputs] + [1] * further
    return ModalityFusion(counts, outputs[0].dims[1], **architecture["fusion"])


class ClipModel(nn.Module):
    """The parts of a system that looks at windows; the attribute names are the contract's part names."""

    fusion: Any

    def __init__(self, encoders: tuple[VideoEncoder, AudioEncoder, TextEncoder], fusion: nn.Module) -> None:
        super().__init__()
        self.video_encoder, self.audio_encoder, self.text_encoder = encoders
        self.fusion = fusion

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        device: torch.device = next(self.fusion.parameters()).device
        return device


def clip_cases(
    contract: SystemContract, part: str, architecture: Mapping[str, Any], batches: Sequence[int] = BATCHES
) -> Iterator[dict[str, Tensor]]:
    """Yield inputs of a part over batch sizes and text lengths, to export with (the first) and to compare."""
    return export_cases(contract, part, architecture, batches, _special)


def _special(example: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Let modalities be missing, and sounds end early."""
    batch = len(example["input_ids"])
    found = {}
    if "present" in example:
        present = torch.ones_like(example["present"])
        present[1::2, 1] = 0
        present[1::3, 2:] = 0
        found["present"] = present
    if "mfcc" in example:
        frames = example["mfcc"].shape[1]
        found["mfcc_lengths"] = torch.arange(frames, frames - batch, -1)[:, None]
    return found


def clip_prunables(
    contract: SystemContract, model: ClipModel, architecture: Mapping[str, Any], heads: Sequence[nn.Module]
) -> list[Prunable]:
    """Name what can be pruned: the encoders' insides, and the fusion's feed-forward units.

    `heads` are the fusion's layers before and after its Transformer, whose outputs stay as they are.
    """
    video, audio, text = model.video_encoder, model.audio_encoder, model.text_encoder
    fusion = cast("ModalityFusion", model.fusion.fusion)
    keep: dict[str, list[nn.Module]] = {
        "video_encoder": [*video_writers(cast("R3D", video.backbone)), video.projection[0]],
        "audio_encoder": [audio.projection[0]],
        "text_encoder": [*residual_writers(text.backbone), text.projection[0]],
        "fusion": [*fusion.residual_writers(), *heads],
    }
    attention = {"text_encoder": attention_heads(text.backbone)}
    lstms = {"audio_encoder": LstmSite("backbone.lstm", "projection.0")}
    return [
        Prunable(
            name,
            model.get_submodule(name),
            tuple(next(clip_cases(contract, name, architecture)).values()),
            kept,
            attention.get(name, {}),
            lstms.get(name),
        )
        for name, kept in keep.items()
    ]
