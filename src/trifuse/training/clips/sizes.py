"""Sizes that suit systems that look at windows, by profile: a system takes them, or sizes of its own."""

from __future__ import annotations

from typing import Any

from trifuse.compression.recipe import PruningRecipe, QuantizationRecipe
from trifuse.training.clips.recipe import ClipModelRecipe, FusionRecipe, LstmRecipe, R3DRecipe
from trifuse.training.recipe import BertRecipe, DistillationRecipe, TrainingRecipe


def standard(profile: str) -> dict[str, Any]:
    """Give teacher, student, distillation, pruning and quantisation of a profile, for a `ClipRecipe`."""
    return _SIZES[profile]


# The students of `demo` and `full` are shrunk alike: half of the blocks and at most half of the width for
# video, half of the LSTM's units, a part of BERT's layers, and one layer of fusion at half of its width.
_SIZES: dict[str, dict[str, Any]] = {
    "smoke": {
        "teacher": ClipModelRecipe(
            video=R3DRecipe((1, 1, 1, 1), 8),
            audio=LstmRecipe(16),
            text=BertRecipe(1, 32, 2, 64, vocab_size=400),
            fusion=FusionRecipe(64, 4, 64, 1),
            training=TrainingRecipe(epochs=5, batch_size=8, learning_rate=2e-3),
        ),
        "student": ClipModelRecipe(
            video=R3DRecipe((1, 1, 1, 1), 8),
            audio=LstmRecipe(16),
            text=BertRecipe(1, 32, 2, 64),
            fusion=FusionRecipe(64, 4, 64, 1),
            training=TrainingRecipe(epochs=5, batch_size=8, learning_rate=2e-3),
        ),
        # Five epochs on so few windows teach nothing, so that what a step costs is noise.
        "distillation": DistillationRecipe(cached_views=2, tolerance=1.0),
        "pruning": PruningRecipe(
            steps=2, training=TrainingRecipe(epochs=1, batch_size=8, learning_rate=1e-3), tolerance=1.0
        ),
        "quantization": QuantizationRecipe(samples=16, repeats=10, tolerance=1.0),
    },
    "demo": {
        "teacher": ClipModelRecipe(
            video=R3DRecipe((2, 2, 2, 2), 16),
            audio=LstmRecipe(128),
            text=BertRecipe(2, 128, 4, 512, vocab_size=1500),
            fusion=FusionRecipe(256, 8, 512, 2),
            training=TrainingRecipe(epochs=40, batch_size=32, learning_rate=1e-3),
        ),
        "student": ClipModelRecipe(
            video=R3DRecipe((1, 1, 1, 1), 16),
            audio=LstmRecipe(64),
            text=BertRecipe(1, 128, 4, 256),
            fusion=FusionRecipe(128, 4, 256, 1),
            training=TrainingRecipe(epochs=40, batch_size=32, learning_rate=2e-3),
        ),
        "distillation": DistillationRecipe(cached_views=6, tolerance=0.04),
        # The dev part has some 200 windows: its figures are no more certain than this.
        "pruning": PruningRecipe(
            training=TrainingRecipe(epochs=15, batch_size=32, learning_rate=1e-3), tolerance=0.04
        ),
        "quantization": QuantizationRecipe(),
    },
    "full": {
        "teacher": ClipModelRecipe(
            video=R3DRecipe((2, 2, 2, 2), 64, pretrained="r3d_18"),
            audio=LstmRecipe(128),
            text=BertRecipe(
                12, 768, 12, 3072, vocab_size=119547, pretrained="google-bert/bert-base-multilingual-cased"
            ),
            fusion=FusionRecipe(256, 8, 1024, 2),
            training=TrainingRecipe(epochs=30, batch_size=64, learning_rate=1e-4),
        ),
        "student": ClipModelRecipe(
            video=R3DRecipe((1, 1, 1, 1), 32),
            audio=LstmRecipe(64),
            text=BertRecipe(3, 384, 12, 1536),
            fusion=FusionRecipe(128, 4, 256, 1),
            training=TrainingRecipe(epochs=60, batch_size=64, learning_rate=1e-3),
        ),
        # On a GPU the teacher is fast, and views that never repeat teach more.
        "distillation": DistillationRecipe(),
        "pruning": PruningRecipe(training=TrainingRecipe(epochs=10, batch_size=64, learning_rate=5e-4)),
        "quantization": QuantizationRecipe(),
    },
}
