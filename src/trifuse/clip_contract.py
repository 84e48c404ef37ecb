"""What the contracts of systems that look at windows of video, sound and text have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trifuse.contracts import PREPROCESS, EnsembleSpec, ModelSpec, SystemContract, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a window is made of, in the order of its columns in a presence mask.
SENSES = ("video", "audio", "text")
# Tokens of sound in a window, and the width of every token.
_AUDIO_TOKENS, _TOKEN_DIM = 4, 256
# r3d_18 halves time three times.
_FRAMES_PER_TOKEN = 8
_SAMPLE_RATE_HZ, _HOP_LENGTH, _N_MFCC = 16_000, 512, 20


@dataclass(frozen=True)
class ClipSize:
    """How much of a window the encoders take: frames, their side in pixels, lengths of texts in tokens."""

    frame_count: int
    frame_size: int
    text_lengths: tuple[int, ...]


@dataclass(frozen=True)
class Extra:
    """A further modality: its `source` in requests, and the `evidence` that the fusion takes of it."""

    source: TensorSpec
    evidence: TensorSpec


def clip_contract(
    system: str,
    profile: str,
    size: ClipSize,
    window_s: float,
    answers: tuple[TensorSpec, ...],
    settings: Mapping[str, object],
    extra: Extra | None = None,
) -> SystemContract:
    """Declare a system of three encoders and a fusion that gives `answers`, with two ensembles.

    `<system>` takes decoded frames, samples and text, `<system>_clip` media files; everything is optional.
    """
    frames = TensorSpec("frames", "UINT8", (size.frame_count, size.frame_size, size.frame_size, 3))
    clip = TensorSpec("clip", "BYTES", (1,), media=True)
    pcm, text = TensorSpec("pcm", "FP32", (-1,)), TensorSpec("text", "BYTES", (1,))
    sources = (replace(extra.source, optional=True),) if extra else ()
    evidence = (extra.evidence,) if extra else ()
    frames, clip, pcm, text = (replace(tensor, optional=True) for tensor in (frames, clip, pcm, text))
    present = TensorSpec("present", "FP32", (len(SENSES) + len(evidence),))
    encoders = _encoders(size, window_s)
    tokens = tuple(tensor for encoder in encoders for tensor in encoder.outputs)
    features = tuple(tensor for encoder in encoders for tensor in encoder.inputs)
    steps = (PREPROCESS, *(encoder.name for encoder in encoders), "fusion")
    return SystemContract(
        system=system,
        profile=profile,
        max_batch_size=32,
        preprocess=ModelSpec(
            PREPROCESS, (frames, clip, pcm, text, *sources), (*features, *evidence, present)
        ),
        parts=(*encoders, ModelSpec("fusion", (*tokens, *evidence, present), answers)),
        ensembles=(
            EnsembleSpec("", steps, (frames, pcm, text, *sources), answers),
            EnsembleSpec("clip", steps, (clip, text, *sources), answers),
        ),
        settings={**_settings(size, window_s), **settings},
    )


def _encoders(size: ClipSize, window_s: float) -> tuple[ModelSpec, ...]:
    pixels = TensorSpec("pixel_values", "FP32", (3, size.frame_count, size.frame_size, size.frame_size))
    mfcc_frames = 1 + int(window_s * _SAMPLE_RATE_HZ) // _HOP_LENGTH
    mfcc = TensorSpec("mfcc", "FP32", (mfcc_frames, _N_MFCC))
    lengths = TensorSpec("mfcc_lengths", "INT64", (1,))
    ids, mask = TensorSpec("input_ids", "INT64", (-1,)), TensorSpec("attention_mask", "INT64", (-1,))
    video_tokens = TensorSpec("video_tokens", "FP32", (size.frame_count // _FRAMES_PER_TOKEN, _TOKEN_DIM))
    audio_tokens = TensorSpec("audio_tokens", "FP32", (_AUDIO_TOKENS, _TOKEN_DIM))
    text_tokens = TensorSpec("text_tokens", "FP32", (1, _TOKEN_DIM))
    return (
        ModelSpec("video_encoder", (pixels,), (video_tokens,)),
        ModelSpec("audio_encoder", (mfcc, lengths), (audio_tokens,)),
        ModelSpec("text_encoder", (ids, mask), (text_tokens,)),
    )


def _settings(size: ClipSize, window_s: float) -> dict[str, object]:
    return {
        "window_s": window_s,
        "frame_count": size.frame_count,
        "frame_size": size.frame_size,
        # The statistics of Kinetics-400 that torchvision's r3d_18 was trained with.
        "pixel_mean": (0.43216, 0.394666, 0.37645),
        "pixel_std": (0.22803, 0.22145, 0.216989),
        "sample_rate_hz": _SAMPLE_RATE_HZ,
        "n_mfcc": _N_MFCC,
        "n_fft": 2048,
        "hop_length": _HOP_LENGTH,
        "n_mels": 128,
        "text_lengths": size.text_lengths,
        "max_clip_bytes": 50 * 2**20,
        "max_text_bytes": 4096,
    }
