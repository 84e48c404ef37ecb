"""The surveillance system's model sizes and training settings per profile."""

from __future__ import annotations

from dataclasses import dataclass, field

from trifuse.compression.recipe import PruningRecipe, QuantizationRecipe
from trifuse.training.recipe import BertRecipe, DistillationRecipe, TrainingRecipe


@dataclass(frozen=True)
class R3DRecipe:
    """Blocks per stage and the first stage's channels; `pretrained` is torchvision's model name."""

    depths: tuple[int, int, int, int]
    width: int
    pretrained: str | None = None


@dataclass(frozen=True)
class LstmRecipe:
    """Hidden units and layers of the LSTM over MFCC frames."""

    hidden: int
    layers: int = 2


@dataclass(frozen=True)
class FusionRecipe:
    """Width, heads, feed-forward width and layers of the Transformer encoder."""

    width: int
    heads: int
    feed_forward: int
    layers: int


@dataclass(frozen=True)
class ModelRecipe:
    """One model of the system, the teacher or the student, and how it is trained."""

    video: R3DRecipe
    audio: LstmRecipe
    text: BertRecipe
    fusion: FusionRecipe
    training: TrainingRecipe


@dataclass(frozen=True)
class SurveillanceRecipe:
    """Everything that decides how the surveillance models of a profile come out.

    `modality_dropout` is the chance that a modality which is there is withheld in training; `dev_share` of
    the training sources chooses and calibrates; `parity_atol` bounds each part's difference between ONNX
    Runtime and torch.
    """

    teacher: ModelRecipe
    student: ModelRecipe
    distillation: DistillationRecipe
    pruning: PruningRecipe
    quantization: QuantizationRecipe
    modality_dropout: float = 0.3
    dev_share: float = 0.15
    parity_atol: dict[str, float] = field(
        default_factory=lambda: {
            "video_encoder": 5e-4,
            "audio_encoder": 2e-4,
            "text_encoder": 2e-4,
            "fusion": 1e-5,
        }
    )


def recipe(profile: str) -> SurveillanceRecipe:
    """Look up the recipe of a profile (`smoke`, `demo` or `full`)."""
    return _RECIPES[profile]


# The students of `demo` and `full` are shrunk alike: half of the blocks and at most half of the width for
# video, half of the LSTM's units, a part of BERT's layers, and one layer of fusion at half of its width.
_RECIPES = {
    "smoke": SurveillanceRecipe(
        teacher=ModelRecipe(
            video=R3DRecipe((1, 1, 1, 1), 8),
            audio=LstmRecipe(16),
            text=BertRecipe(1, 32, 2, 64, vocab_size=400),
            fusion=FusionRecipe(64, 4, 64, 1),
            training=TrainingRecipe(epochs=5, batch_size=8, learning_rate=2e-3),
        ),
        student=ModelRecipe(
            video=R3DRecipe((1, 1, 1, 1), 8),
            audio=LstmRecipe(16),
            text=BertRecipe(1, 32, 2, 64),
            fusion=FusionRecipe(64, 4, 64, 1),
            training=TrainingRecipe(epochs=5, batch_size=8, learning_rate=2e-3),
        ),
        # Five epochs on so few windows teach nothing, so that what a step costs is noise.
        distillation=DistillationRecipe(cached_views=2, tolerance=1.0),
        pruning=PruningRecipe(
            steps=2, training=TrainingRecipe(epochs=1, batch_size=8, learning_rate=1e-3), tolerance=1.0
        ),
        quantization=QuantizationRecipe(samples=16, repeats=10, tolerance=1.0),
    ),
    "demo": SurveillanceRecipe(
        teacher=ModelRecipe(
            video=R3DRecipe((2, 2, 2, 2), 16),
            audio=LstmRecipe(128),
            text=BertRecipe(2, 128, 4, 512, vocab_size=1500),
            fusion=FusionRecipe(256, 8, 512, 2),
            training=TrainingRecipe(epochs=40, batch_size=32, learning_rate=1e-3),
        ),
        student=ModelRecipe(
            video=R3DRecipe((1, 1, 1, 1), 16),
            audio=LstmRecipe(64),
            text=BertRecipe(1, 128, 4, 256),
            fusion=FusionRecipe(128, 4, 256, 1),
            training=TrainingRecipe(epochs=40, batch_size=32, learning_rate=2e-3),
        ),
        distillation=DistillationRecipe(cached_views=6, tolerance=0.04),
        # The dev part has some 200 windows: its figures are no more certain than this.
        pruning=PruningRecipe(
            training=TrainingRecipe(epochs=15, batch_size=32, learning_rate=1e-3), tolerance=0.04
        ),
        quantization=QuantizationRecipe(),
    ),
    "full": SurveillanceRecipe(
        teacher=ModelRecipe(
            video=R3DRecipe((2, 2, 2, 2), 64, pretrained="r3d_18"),
            audio=LstmRecipe(128),
            text=BertRecipe(
                12, 768, 12, 3072, vocab_size=119547, pretrained="google-bert/bert-base-multilingual-cased"
            ),
            fusion=FusionRecipe(256, 8, 1024, 2),
            training=TrainingRecipe(epochs=30, batch_size=64, learning_rate=1e-4),
        ),
        student=ModelRecipe(
            video=R3DRecipe((1, 1, 1, 1), 32),
            audio=LstmRecipe(64),
            text=BertRecipe(3, 384, 12, 1536),
            fusion=FusionRecipe(128, 4, 256, 1),
            training=TrainingRecipe(epochs=60, batch_size=64, learning_rate=1e-3),
        ),
        # On a GPU the teacher is fast, and views that never repeat teach more.
        distillation=DistillationRecipe(),
        pruning=PruningRecipe(training=TrainingRecipe(epochs=10, batch_size=64, learning_rate=5e-4)),
        quantization=QuantizationRecipe(),
    ),
}
