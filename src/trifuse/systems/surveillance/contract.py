"""The surveillance system's tensors, limits and ensembles."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trifuse.contracts import PREPROCESS, EnsembleSpec, ModelSpec, SystemContract, TensorSpec

TOKEN_DIM = 256
EVENTS = ("fight", "fall", "abandoned_object", "crowd_panic", "blast", "threat")
# What a window is made of, in the order of the presence mask.
MODALITIES = ("video", "audio", "text", "scene")
SCENE_DIM = 8
AUDIO_TOKENS = 4
ABNORMAL = "abnormal"
# The columns of the thresholds, and of whatever else is decided.
DECISIONS = (ABNORMAL, *EVENTS)

# r3d_18 halves time three times.
_FRAMES_PER_TOKEN = 8
_WINDOW_S, _SAMPLE_RATE_HZ, _HOP_LENGTH, _N_MFCC = 2.0, 16_000, 512, 20


@dataclass(frozen=True)
class _Size:
    frame_count: int
    frame_size: int
    text_lengths: tuple[int, ...]


_SIZES = {
    "smoke": _Size(frame_count=8, frame_size=56, text_lengths=(16, 32)),
    "demo": _Size(frame_count=8, frame_size=64, text_lengths=(16, 32)),
    "full": _Size(frame_count=16, frame_size=112, text_lengths=(16, 32, 64)),
}


def contract(profile: str) -> SystemContract:
    """Build the contract of a profile (`smoke`, `demo` or `full`)."""
    size = _SIZES[profile]
    settings = _settings(size)
    frames = TensorSpec("frames", "UINT8", (size.frame_count, size.frame_size, size.frame_size, 3))
    clip = TensorSpec("clip", "BYTES", (1,), media=True)
    pcm, text = TensorSpec("pcm", "FP32", (-1,)), TensorSpec("text", "BYTES", (1,))
    scene = TensorSpec("scene", "FP32", (SCENE_DIM,))
    frames, clip, pcm, text, scene = (
        replace(tensor, optional=True) for tensor in (frames, clip, pcm, text, scene)
    )
    pixels = TensorSpec("pixel_values", "FP32", (3, size.frame_count, size.frame_size, size.frame_size))
    mfcc_frames = 1 + int(_WINDOW_S * _SAMPLE_RATE_HZ) // _HOP_LENGTH
    mfcc = TensorSpec("mfcc", "FP32", (mfcc_frames, _N_MFCC))
    lengths = TensorSpec("mfcc_lengths", "INT64", (1,))
    ids, mask = TensorSpec("input_ids", "INT64", (-1,)), TensorSpec("attention_mask", "INT64", (-1,))
    evidence = TensorSpec("evidence", "FP32", (SCENE_DIM,))
    present = TensorSpec("present", "FP32", (len(MODALITIES),))
    video_tokens = TensorSpec("video_tokens", "FP32", (size.frame_count // _FRAMES_PER_TOKEN, TOKEN_DIM))
    audio_tokens = TensorSpec("audio_tokens", "FP32", (AUDIO_TOKENS, TOKEN_DIM))
    text_tokens = TensorSpec("text_tokens", "FP32", (1, TOKEN_DIM))
    answers = (
        TensorSpec("abnormal_score", "FP32", (1,)),
        TensorSpec("event_scores", "FP32", (len(EVENTS),)),
        TensorSpec("thresholds", "FP32", (len(DECISIONS),)),
    )
    steps = (PREPROCESS, "video_encoder", "audio_encoder", "text_encoder", "fusion")
    return SystemContract(
        system="surveillance",
        profile=profile,
        max_batch_size=32,
        preprocess=ModelSpec(
            PREPROCESS,
            (frames, clip, pcm, text, scene),
            (pixels, mfcc, lengths, ids, mask, evidence, present),
        ),
        parts=(
            ModelSpec("video_encoder", (pixels,), (video_tokens,)),
            ModelSpec("audio_encoder", (mfcc, lengths), (audio_tokens,)),
            ModelSpec("text_encoder", (ids, mask), (text_tokens,)),
            ModelSpec("fusion", (video_tokens, audio_tokens, text_tokens, evidence, present), answers),
        ),
        ensembles=(
            EnsembleSpec("", steps, (frames, pcm, text, scene), answers),
            EnsembleSpec("clip", steps, (clip, text, scene), answers),
        ),
        settings=settings,
    )


def _settings(size: _Size) -> dict[str, object]:
    return {
        "events": EVENTS,
        "window_s": _WINDOW_S,
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
        # The abandoned-object branch has something to say after it has watched for so long.
        "scene_history_s": 10.0,
        "max_clip_bytes": 50 * 2**20,
        "max_text_bytes": 4096,
    }
