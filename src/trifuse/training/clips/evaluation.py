"""Runs the parts of a model over windows, whether torch runs them or ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import nn

from trifuse.preprocessing.video import pixel_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from trifuse.models.clip_encoders import ClipModel
    from trifuse.preprocessing.video import VideoSettings
    from trifuse.training.clips.data import Clips

_BATCH = 64


class Parts(Protocol):
    """The parts as callables."""

    @property
    def device(self) -> torch.device:
        """Where their inputs must be."""

    @property
    def video_encoder(self) -> Callable[..., Any]:
        """Pixels to tokens."""

    @property
    def audio_encoder(self) -> Callable[..., Any]:
        """MFCC and lengths to tokens."""

    @property
    def text_encoder(self) -> Callable[..., Any]:
        """Ids and mask to a token."""

    @property
    def fusion(self) -> Callable[..., Any]:
        """Tokens, further modalities and presence to the system's answers."""


class Tokens(NamedTuple):
    """Outputs of the three encoders, each (n, tokens, dim)."""

    video: Tensor
    audio: Tensor
    text: Tensor

    def rows(self, rows: Tensor | slice) -> Tokens:
        """Pick windows."""
        return Tokens(*(part[rows] for part in self))


@torch.inference_mode()
def encode(model: Parts, clips: Clips, settings: VideoSettings) -> Tokens:
    """Run the encoders over all windows; a torch model is set to eval."""
    if isinstance(model, nn.Module):
        model.eval()
    found = []
    decoded, device = clips.decoded, model.device
    for chunk in chunks(len(clips)):
        pixels = pixels_of(decoded.frames[chunk], settings).to(device)
        found.append(
            (
                model.video_encoder(pixels),
                model.audio_encoder(decoded.mfcc[chunk].to(device), decoded.lengths[chunk].to(device)),
                model.text_encoder(clips.input_ids[chunk].to(device), clips.attention_mask[chunk].to(device)),
            )
        )
    return Tokens(*(torch.cat(part) for part in zip(*found, strict=True)))


@torch.inference_mode()
def answers(model: Parts, tokens: Tokens, clips: Clips, present: Tensor) -> list[NDArray[np.float32]]:
    """Fuse what `present` (n, modalities) admits: every output of the fusion over all windows."""
    found = []
    for chunk in chunks(len(clips)):
        told = model.fusion(*fusion_inputs(model.device, tokens.rows(chunk), clips, chunk, present[chunk]))
        found.append(told if isinstance(told, tuple | list) else (told,))
    return [torch.cat(parts).cpu().numpy() for parts in zip(*found, strict=True)]


@torch.inference_mode()
def logits(model: ClipModel, clips: Clips, settings: VideoSettings) -> NDArray[np.float32]:
    """Compute the fusion's logits before calibration over all windows, with all that they have."""
    tokens = encode(model, clips, settings)
    found = [
        model.fusion.logits(
            *fusion_inputs(model.device, tokens.rows(chunk), clips, chunk, clips.present[chunk])
        )
        for chunk in chunks(len(clips))
    ]
    return torch.cat(found).cpu().numpy()


def fusion_inputs(
    device: torch.device, tokens: Tokens, clips: Clips, rows: Tensor | slice, present: Tensor
) -> tuple[Tensor, ...]:
    """List what the fusion takes: tokens of the chosen windows, further modalities, presence."""
    extras = (extra[rows].to(device) for extra in clips.extras.values())
    return (*tokens, *extras, present.to(device))


def pixels_of(frames: Tensor, settings: VideoSettings) -> Tensor:
    """Turn decoded frames (n, T, S, S, 3) into the encoder's input, bit for bit as Triton does."""
    return torch.from_numpy(np.stack([pixel_values(window, settings) for window in frames.numpy()]))


def chunks(count: int) -> Iterator[slice]:
    """Cut that many items into batches."""
    return (slice(start, start + _BATCH) for start in range(0, count, _BATCH))
