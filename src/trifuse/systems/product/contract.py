"""The product system's tensors, limits and ensembles."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trifuse.contracts import (
    PREPROCESS,
    EnsembleSpec,
    ModelSpec,
    ServiceSpec,
    SystemContract,
    TensorSpec,
)

EMBEDDING_DIM = 256
STORED_TOKENS = 16
# The columns of a hit's scores: what it is ranked by, and its parts.
SCORES = ("score", "similarity", "match", "lexical")
RECOMMENDATION_SCORES = ("score", "collaborative", "content", "popularity", "repeat")


@dataclass(frozen=True)
class _Size:
    image_size: int
    patch_grid: int
    text_lengths: tuple[int, ...]
    resample: str = "bicubic"


_SIZES = {
    "smoke": _Size(image_size=56, patch_grid=7, text_lengths=(16, 24)),
    "demo": _Size(image_size=112, patch_grid=7, text_lengths=(16, 24, 32)),
    # Bilinear, as torchvision's weights were evaluated with; it takes two thirds of bicubic's time.
    "full": _Size(image_size=224, patch_grid=7, text_lengths=(16, 32, 64), resample="bilinear"),
}


def contract(profile: str) -> SystemContract:
    """Build the contract of a profile (`smoke`, `demo` or `full`)."""
    size = _SIZES[profile]
    image, text = TensorSpec("image", "BYTES", (1,), media=True), TensorSpec("text", "BYTES", (1,))
    optional = (replace(image, optional=True), replace(text, optional=True))
    pixels = TensorSpec("pixel_values", "FP32", (3, size.image_size, size.image_size))
    ids = TensorSpec("input_ids", "INT64", (-1,))
    mask = TensorSpec("attention_mask", "INT64", (-1,))
    image_present = TensorSpec("image_present", "FP32", (1,))
    text_present = TensorSpec("text_present", "FP32", (1,))
    image_tokens = TensorSpec("image_tokens", "FP32", (size.patch_grid**2, EMBEDDING_DIM))
    # Stored photos have fewer tokens, pooled over the grid.
    any_image_tokens = replace(image_tokens, dims=(-1, EMBEDDING_DIM))
    image_embedding = TensorSpec("image_embedding", "FP32", (EMBEDDING_DIM,))
    text_tokens = TensorSpec("text_tokens", "FP32", (-1, EMBEDDING_DIM))
    text_embedding = TensorSpec("text_embedding", "FP32", (EMBEDDING_DIM,))
    match_score = TensorSpec("match_score", "FP32", (1,))
    fused = TensorSpec("fused", "FP32", (EMBEDDING_DIM,))
    embedding = TensorSpec("product_embedding", "FP32", (EMBEDDING_DIM,))
    return SystemContract(
        system="product",
        profile=profile,
        max_batch_size=64,
        preprocess=ModelSpec(PREPROCESS, optional, (pixels, ids, mask, image_present, text_present)),
        parts=(
            ModelSpec("image_encoder", (pixels,), (image_tokens, image_embedding)),
            ModelSpec("text_encoder", (ids, mask), (text_tokens, text_embedding)),
            ModelSpec("fusion", (any_image_tokens, text_tokens, mask), (match_score, fused)),
            ModelSpec("joint", (image_embedding, text_embedding, image_present, text_present), (embedding,)),
        ),
        ensembles=(
            EnsembleSpec(
                "match",
                (PREPROCESS, "image_encoder", "text_encoder", "fusion"),
                (image, text),
                (match_score, fused),
            ),
            EnsembleSpec("embed_image", (PREPROCESS, "image_encoder"), (image,), (image_embedding,)),
            EnsembleSpec("embed_text", (PREPROCESS, "text_encoder"), (text,), (text_embedding,)),
            EnsembleSpec(
                "embed",
                (PREPROCESS, "image_encoder", "text_encoder", "joint"),
                optional,
                (embedding, image_tokens),
            ),
        ),
        settings=_settings(size),
        services=_services(),
    )


def _services() -> tuple[ServiceSpec, ...]:
    image, text, filters, options = (
        TensorSpec(name, "BYTES", (1,), optional=True, media=name == "image")
        for name in ("image", "text", "filters", "options")
    )
    history = TensorSpec("history", "BYTES", (1,), optional=True)
    ids = TensorSpec("ids", "BYTES", (-1,))
    hits = (
        ids,
        TensorSpec("scores", "FP32", (-1, len(SCORES))),
        TensorSpec("documents", "BYTES", (-1,)),
        TensorSpec("count", "INT32", (-1,)),
        TensorSpec("index_version", "INT64", (1,)),
    )
    embedding = TensorSpec("embedding", "FP32", (EMBEDDING_DIM,), optional=True)
    return (
        ServiceSpec(
            "index",
            (embedding, text, replace(ids, optional=True), filters, options),
            (
                *hits,
                TensorSpec("image_tokens", "INT8", (-1, STORED_TOKENS, EMBEDDING_DIM)),
                TensorSpec("token_scales", "FP32", (-1, STORED_TOKENS)),
                TensorSpec("products", "BYTES", (-1,)),
                TensorSpec("groups", "INT32", (-1,)),
                TensorSpec("settings", "BYTES", (1,)),
            ),
            holds_data=True,
        ),
        ServiceSpec("search", (image, text, filters, options), hits),
        ServiceSpec(
            "recommend",
            (history, filters, options),
            (
                ids,
                TensorSpec("scores", "FP32", (-1, len(RECOMMENDATION_SCORES))),
                TensorSpec("reasons", "BYTES", (-1,)),
                TensorSpec("documents", "BYTES", (-1,)),
                TensorSpec("unknown", "BYTES", (-1,)),
            ),
            holds_data=True,
        ),
    )


def _settings(size: _Size) -> dict[str, object]:
    return {
        "image_size": size.image_size,
        "patch_grid": size.patch_grid,
        "resample": size.resample,
        "pixel_mean": (0.485, 0.456, 0.406),
        "pixel_std": (0.229, 0.224, 0.225),
        "background": (255, 255, 255),
        "text_lengths": size.text_lengths,
        "max_image_bytes": 20 * 2**20,
        "max_image_pixels": 50_000_000,
        "max_text_bytes": 4096,
    }
