"""The template system's model sizes and training settings per profile."""

from __future__ import annotations

from trifuse.compression.recipe import PruningRecipe, QuantizationRecipe
from trifuse.training.clips.recipe import ClipModelRecipe, ClipRecipe, FusionRecipe, LstmRecipe, R3DRecipe
from trifuse.training.recipe import BertRecipe, DistillationRecipe, TrainingRecipe


def recipe(profile: str) -> ClipRecipe:
    """Look up the recipe of a profile (`smoke`, `demo` or `full`)."""
    return _RECIPES[profile]


_TINY = ClipModelRecipe(
    video=R3DRecipe((1, 1, 1, 1), 8),
    audio=LstmRecipe(16),
    text=BertRecipe(1, 32, 2, 64, vocab_size=200),
    fusion=FusionRecipe(64, 4, 64, 1),
    training=TrainingRecipe(epochs=5, batch_size=8, learning_rate=2e-3),
)
_SMALL = ClipModelRecipe(
    video=R3DRecipe((1, 1, 1, 1), 16),
    audio=LstmRecipe(64),
    text=BertRecipe(1, 128, 4, 256, vocab_size=1500),
    fusion=FusionRecipe(128, 4, 256, 1),
    training=TrainingRecipe(epochs=20, batch_size=32, learning_rate=2e-3),
)
_LARGE = ClipModelRecipe(
    video=R3DRecipe((2, 2, 2, 2), 64, pretrained="r3d_18"),
    audio=LstmRecipe(128),
    text=BertRecipe(
        12, 768, 12, 3072, vocab_size=119547, pretrained="google-bert/bert-base-multilingual-cased"
    ),
    fusion=FusionRecipe(256, 8, 1024, 2),
    training=TrainingRecipe(epochs=30, batch_size=64, learning_rate=1e-4),
)
_RECIPES = {
    "smoke": ClipRecipe(
        teacher=_TINY,
        student=_TINY,
        # Five epochs on so few windows teach little, so that what a step costs is noise.
        distillation=DistillationRecipe(cached_views=2, tolerance=1.0),
        pruning=PruningRecipe(
            steps=2, training=TrainingRecipe(epochs=1, batch_size=8, learning_rate=1e-3), tolerance=1.0
        ),
        quantization=QuantizationRecipe(samples=16, repeats=10, tolerance=1.0),
    ),
    "demo": ClipRecipe(
        teacher=_SMALL,
        student=_SMALL,
        distillation=DistillationRecipe(cached_views=6),
        pruning=PruningRecipe(training=TrainingRecipe(epochs=8, batch_size=32, learning_rate=1e-3)),
        quantization=QuantizationRecipe(),
    ),
    "full": ClipRecipe(
        teacher=_LARGE,
        student=_SMALL,
        distillation=DistillationRecipe(),
        pruning=PruningRecipe(training=TrainingRecipe(epochs=10, batch_size=64, learning_rate=5e-4)),
        quantization=QuantizationRecipe(),
    ),
}
