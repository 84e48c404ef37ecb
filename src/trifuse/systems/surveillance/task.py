"""The surveillance system's training task: what a batch is, what it costs, and how good the model is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trifuse.systems.surveillance.contract import DECISIONS
from trifuse.systems.surveillance.evaluation import (
    Tokens,
    chunks,
    encode,
    scores,
)
from trifuse.systems.surveillance.quality import headline_values
from trifuse.training.augmentation import DRAWS as PHOTO_DRAWS
from trifuse.training.augmentation import PhotoAugmentation
from trifuse.training.calibration import best_threshold, fit_platt
from trifuse.training.distill import Comparison

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trifuse.preprocessing.audio import AudioSettings
    from trifuse.preprocessing.video import VideoSettings
    from trifuse.systems.surveillance.data import EncodedWindows
    from trifuse.systems.surveillance.evaluation import Parts
    from trifuse.systems.surveillance.model import SurveillanceModel
    from trifuse.systems.surveillance.teacher import Teacher

# Cameras hang level, and what matters may be at the border.
_VIEWS = PhotoAugmentation(min_area=0.7, max_turn_degrees=4.0, erase=0.15)
_SOUND_DRAWS = 3
DRAWS = PHOTO_DRAWS + _SOUND_DRAWS
# Where the dev part is too small to tell anything, scores hardly move and yet keep their order.
_LEAST_SLOPE = 0.05
_MAX_GAIN_DB, _MAX_SILENCED_SHARE = 12.0, 0.2


@dataclass(frozen=True)
class Settings:
    """What the task needs to know of the contract and the recipe."""

    video: VideoSettings
    audio: AudioSettings
    modality_dropout: float


class SurveillanceTask:
    """Binary cross-entropy of abnormal and of every event, with modalities withheld at random.

    A batch is the indices of its windows. Source of modality dropout: ModDrop
    (https://arxiv.org/abs/1501.00102), section 3.2.
    """

    selection_metric = "auc"

    def __init__(
        self,
        model: SurveillanceModel,
        train: EncodedWindows,
        dev: EncodedWindows,
        settings: Settings,
        teacher: Teacher | None = None,
    ) -> None:
        self.model = model
        self._train, self._dev = train, dev
        self._settings, self._teacher = settings, teacher

    @property
    def items(self) -> int:
        """The number of training windows."""
        return len(self._train)

    def losses(self, indices: Tensor) -> dict[str, Tensor]:
        """Compute the losses of a batch by name."""
        present = self._withhold(self._train.windows.present[indices])
        draws = torch.rand(len(indices), DRAWS)
        tokens = encode_views(self.model, self._train, indices, draws, self._settings)
        return self._losses(self._logits(tokens, indices, present), indices)

    def compare(self, indices: Tensor) -> Comparison:
        """Run student and teacher on the same views, the same modalities withheld from both."""
        assert self._teacher is not None  # noqa: S101
        present = self._withhold(self._train.windows.present[indices])
        views = self._teacher.choose(indices)
        tokens = encode_views(self.model, self._train, indices, views.draws, self._settings)
        logits = self._logits(tokens, indices, present)
        taught, answered = self._teacher.answers(indices, views, present)
        return Comparison(
            self._losses(logits, indices),
            {"decisions": (_two_classes(logits), _two_classes(answered))},
            _features(tokens, taught, self._train.windows.present[indices].to(logits.device)),
        )

    def _logits(self, tokens: Tokens, indices: Tensor, present: Tensor) -> Tensor:
        evidence = self._train.windows.evidence[indices].to(self.model.device)
        logits: Tensor = self.model.fusion.logits(
            tokens.video, tokens.audio, tokens.text, evidence, present.to(self.model.device)
        )[0]
        return logits

    def _losses(self, logits: Tensor, indices: Tensor) -> dict[str, Tensor]:
        labels = self._train.windows.labels[indices].to(logits.device)
        found = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        # What is abnormal without an event may be any of them, or another.
        told = (labels[:, 0] == 0) | (labels[:, 1:].sum(dim=1) > 0)
        return {"abnormal": found[:, 0].mean(), "events": (told[:, None] * found[:, 1:]).sum(dim=1).mean()}

    def _withhold(self, present: Tensor) -> Tensor:
        """Drop modalities at random; a window keeps one at least of those that it has."""
        kept = present * (torch.rand(present.shape) >= self._settings.modality_dropout)
        lost = kept.sum(dim=1, keepdim=True) == 0
        return torch.where(lost, present, kept)

    def evaluate(self, model: Parts) -> dict[str, float]:
        """Measure a model on the dev part: the AUC of abnormal, and the mean AP of the events."""
        tokens = encode(model, self._dev, self._settings.video)
        found = scores(model, tokens, self._dev, self._dev.windows.present)
        return {
            name: float(np.mean(values)) for name, values in headline_values(found, self._dev.labels).items()
        }

    def calibrate(self, model: SurveillanceModel) -> dict[str, float]:
        """Fit each decision's probability and threshold (the best F1) on the dev part."""
        logits, labels = _dev_logits(model, self._dev, self._settings.video), self._dev.labels
        found: dict[str, float] = {}
        for column, decision in enumerate(DECISIONS):
            slope, bias = fit_platt(logits[:, column], labels[:, column])
            slope = max(slope, _LEAST_SLOPE)
            probabilities = 1 / (1 + np.exp(-(slope * logits[:, column] + bias)))
            threshold = best_threshold(probabilities, labels[:, column])
            model.fusion.slope[column], model.fusion.bias[column] = slope, bias
            model.fusion.cutoffs[column] = threshold
            found |= {f"{decision} temperature": 1 / slope, f"{decision} threshold": threshold}
        return found


def encode_views(
    model: SurveillanceModel, data: EncodedWindows, indices: Tensor, draws: Tensor, settings: Settings
) -> Tokens:
    """Run the encoders on random views (`draws`: (n, DRAWS), uniform) of the chosen windows."""
    windows, device = data.windows, model.device
    seen, heard = torch.split(draws, [PHOTO_DRAWS, _SOUND_DRAWS], dim=1)
    mfcc = augmented_sound(windows.mfcc[indices], windows.lengths[indices], heard, settings.audio)
    return Tokens(
        model.video_encoder(augmented_video(windows.frames[indices], seen, settings.video).to(device)),
        model.audio_encoder(mfcc.to(device), windows.lengths[indices].to(device)),
        model.text_encoder(data.input_ids[indices].to(device), data.attention_mask[indices].to(device)),
    )


def augmented_video(frames: Tensor, draws: Tensor, settings: VideoSettings) -> Tensor:
    """Make the encoder's input (n, 3, T, size, size) from frames (n, T, S, S, 3), one view a clip."""
    count, length, height, width, _ = frames.shape
    stacked = frames.permute(0, 1, 4, 2, 3).reshape(count, length * 3, height, width)
    views = _VIEWS(stacked, settings.frame_size, draws).view(count, length, 3, *[settings.frame_size] * 2)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (settings.pixel_mean, settings.pixel_std))
    return ((views - mean) / std).transpose(1, 2).contiguous()


def augmented_sound(mfcc: Tensor, lengths: Tensor, draws: Tensor, settings: AudioSettings) -> Tensor:
    """Make sounds louder or softer, and silence a stretch of each (SpecAugment, arXiv:1904.08779, section 2).

    A gain adds a constant to all mel bands in dB, which the first coefficient alone carries.
    """
    frames = mfcc.shape[1]
    gain = (2 * draws[:, :1] - 1) * _MAX_GAIN_DB * settings.n_mels**0.5
    louder = torch.cat([mfcc[:, :, :1] + gain[:, None], mfcc[:, :, 1:]], dim=2)
    start, share = draws[:, 1:2] * frames, draws[:, 2:3] * _MAX_SILENCED_SHARE
    times = torch.arange(frames)
    silenced = (times >= start) & (times < start + share * frames)
    quiet = louder.amin(dim=1, keepdim=True)
    louder = torch.where(silenced[:, :, None], quiet, louder)
    return torch.where((times < lengths)[:, :, None], louder, 0.0)


@torch.inference_mode()
def _dev_logits(
    model: SurveillanceModel, data: EncodedWindows, settings: VideoSettings
) -> NDArray[np.float32]:
    tokens, windows = encode(model, data, settings), data.windows
    found = []
    for chunk in chunks(len(data)):
        part = tokens[chunk]
        rest = (windows.evidence[chunk].to(model.device), windows.present[chunk].to(model.device))
        found.append(model.fusion.logits(part.video, part.audio, part.text, *rest)[0].cpu())
    return torch.cat(found).numpy()


def _two_classes(logits: Tensor) -> Tensor:
    """Write binary decisions (n, 7) as rows of two classes (7 n, 2), to compare them softly."""
    flat = logits.flatten()
    return torch.stack([torch.zeros_like(flat), flat], dim=1)


def _features(student: Tokens, teacher: Tokens, present: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Pair up the tokens as unit vectors, (n, tokens, 256), those of absent modalities as zeros."""
    found = {}
    for column, name in enumerate(("video", "audio", "text")):
        there = present[:, column, None, None]
        first, second = (functional.normalize(getattr(tokens, name), dim=-1) for tokens in (student, teacher))
        found[name] = (there * first, there * second)
    return found
