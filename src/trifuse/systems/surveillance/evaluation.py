"""How well windows are judged: areas under curves for every subset of what was seen, heard and said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import nn

from trifuse.preprocessing.video import pixel_values
from trifuse.systems.surveillance.contract import DECISIONS
from trifuse.systems.surveillance.quality import event_precisions, subsets
from trifuse.training.metrics import area_under_roc, average_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from trifuse.preprocessing.video import VideoSettings
    from trifuse.systems.surveillance.data import EncodedWindows

_BATCH = 64


class Parts(Protocol):
    """The parts as callables, whether torch runs them or ONNX Runtime."""

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
        """Tokens, evidence and presence to (abnormal score, event scores, thresholds)."""


@dataclass(frozen=True)
class Tokens:
    """Outputs of the three encoders, each (n, tokens, 256)."""

    video: Tensor
    audio: Tensor
    text: Tensor

    def __getitem__(self, rows: Tensor | slice) -> Tokens:
        return Tokens(self.video[rows], self.audio[rows], self.text[rows])


@torch.inference_mode()
def encode(model: Parts, data: EncodedWindows, settings: VideoSettings) -> Tokens:
    """Run the encoders over all windows; a torch model is set to eval."""
    if isinstance(model, nn.Module):
        model.eval()
    found = []
    windows, device = data.windows, model.device
    for chunk in chunks(len(data)):
        pixels = pixels_of(windows.frames[chunk], settings).to(device)
        found.append(
            (
                model.video_encoder(pixels),
                model.audio_encoder(windows.mfcc[chunk].to(device), windows.lengths[chunk].to(device)),
                model.text_encoder(data.input_ids[chunk].to(device), data.attention_mask[chunk].to(device)),
            )
        )
    return Tokens(*(torch.cat(part) for part in zip(*found, strict=True)))


@torch.inference_mode()
def scores(model: Parts, tokens: Tokens, data: EncodedWindows, present: Tensor) -> NDArray[np.float32]:
    """Fuse what `present` (n, 4) admits: probabilities (n, 7) in the order of DECISIONS."""
    found = []
    for chunk in chunks(len(data)):
        part, evidence = tokens[chunk], data.windows.evidence[chunk].to(model.device)
        abnormal, events, _ = model.fusion(
            part.video, part.audio, part.text, evidence, present[chunk].to(model.device)
        )
        found.append(torch.cat([abnormal, events], dim=1).cpu())
    return torch.cat(found).numpy()


def pixels_of(frames: Tensor, settings: VideoSettings) -> Tensor:
    """Turn decoded frames (n, T, S, S, 3) into the encoder's input, bit for bit as Triton does."""
    return torch.from_numpy(np.stack([pixel_values(window, settings) for window in frames.numpy()]))


def chunks(count: int) -> Iterator[slice]:
    """Cut that many items into batches."""
    return (slice(start, start + _BATCH) for start in range(0, count, _BATCH))


def report(model: Parts, tokens: Tokens, data: EncodedWindows) -> dict[str, Any]:
    """Report a split: AUC and mean AP for every subset of the modalities, and how each decision fares."""
    labels = data.labels
    found: dict[str, Any] = {"windows": len(data), "subsets": {}}
    for name, admitted in subsets().items():
        probabilities = scores(model, tokens, data, data.windows.present * torch.from_numpy(admitted))
        found["subsets"][name] = {
            "auc": area_under_roc(probabilities[:, 0], labels[:, 0]),
            "ap": float(average_precision(labels[np.argsort(-probabilities[:, 0]), 0][None])[0]),
            "event_ap": float(np.mean(list(event_precisions(probabilities, labels).values()))),
        }
    found["events"] = event_precisions(scores(model, tokens, data, data.windows.present), labels)
    found["positives"] = dict(zip(DECISIONS, labels.sum(axis=0).tolist(), strict=True))
    return found
