"""Random views of windows: other framing and light, other loudness, stretches of silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trifuse.training.augmentation import DRAWS as PHOTO_DRAWS
from trifuse.training.augmentation import PhotoAugmentation
from trifuse.training.clips.evaluation import Tokens

if TYPE_CHECKING:
    from trifuse.models.clip_encoders import ClipModel
    from trifuse.preprocessing.audio import AudioSettings
    from trifuse.preprocessing.video import VideoSettings
    from trifuse.training.clips.data import Clips

# Cameras hang level, and what matters may be at the border.
_VIEWS = PhotoAugmentation(min_area=0.7, max_turn_degrees=4.0, erase=0.15)
_SOUND_DRAWS = 3
DRAWS = PHOTO_DRAWS + _SOUND_DRAWS
_MAX_GAIN_DB, _MAX_SILENCED_SHARE = 12.0, 0.2


@dataclass(frozen=True)
class ViewSettings:
    """What views need to know of the contract, and the chance that a modality is withheld in training."""

    video: VideoSettings
    audio: AudioSettings
    modality_dropout: float


def encode_views(
    model: ClipModel, clips: Clips, indices: Tensor, draws: Tensor, settings: ViewSettings
) -> Tokens:
    """Run the encoders on random views (`draws`: (n, DRAWS), uniform) of the chosen windows."""
    decoded, device = clips.decoded, model.device
    seen, heard = torch.split(draws, [PHOTO_DRAWS, _SOUND_DRAWS], dim=1)
    mfcc = augmented_sound(decoded.mfcc[indices], decoded.lengths[indices], heard, settings.audio)
    return Tokens(
        model.video_encoder(augmented_video(decoded.frames[indices], seen, settings.video).to(device)),
        model.audio_encoder(mfcc.to(device), decoded.lengths[indices].to(device)),
        model.text_encoder(clips.input_ids[indices].to(device), clips.attention_mask[indices].to(device)),
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
