"""The product system's model sizes and training settings per profile."""

from __future__ import annotations

from dataclasses import dataclass, field

from trifuse.compression.recipe import PruningRecipe, QuantizationRecipe
from trifuse.training.recipe import BertRecipe, DistillationRecipe, TrainingRecipe


@dataclass(frozen=True)
class ResNetRecipe:
    """Block kind, blocks per stage, first stage's channels; `pretrained` is torchvision's model name."""

    block: str
    depths: tuple[int, int, int, int]
    width: int
    pretrained: str | None = None


@dataclass(frozen=True)
class FusionRecipe:
    """Width, heads and feed-forward width of the cross-modal attention."""

    width: int
    heads: int
    feed_forward: int


@dataclass(frozen=True)
class ModelRecipe:
    """One model of the system, the teacher or the student, and how it is trained."""

    image: ResNetRecipe
    text: BertRecipe
    fusion: FusionRecipe
    training: TrainingRecipe


@dataclass(frozen=True)
class FacetRecipe:
    """An attribute that shoppers search by alone.

    `weight` is that of the loss of such queries, `kinship` the relevance of items that share the attribute.
    """

    weight: float
    kinship: float


@dataclass(frozen=True)
class ProductRecipe:
    """Everything that decides how the product models of a profile come out.

    `facets` are the attributes that shoppers search by alone; `dev_share` of the training products
    chooses and calibrates; `parity_atol` bounds each part's difference between ONNX Runtime and torch.
    """

    teacher: ModelRecipe
    student: ModelRecipe
    distillation: DistillationRecipe
    pruning: PruningRecipe
    quantization: QuantizationRecipe
    facets: dict[str, FacetRecipe] = field(
        default_factory=lambda: {"category": FacetRecipe(weight=1.0, kinship=0.05)}
    )
    dev_share: float = 0.1
    parity_atol: dict[str, float] = field(
        default_factory=lambda: {"image_encoder": 2e-4, "text_encoder": 2e-4, "fusion": 2e-4, "joint": 1e-5}
    )


def recipe(profile: str) -> ProductRecipe:
    """Look up the recipe of a profile (`smoke`, `demo` or `full`)."""
    return _RECIPES[profile]


# The students of `demo` and `full` are shrunk alike: bottlenecks to basic blocks and 16 to 4 of them; a
# quarter of BERT's layers at half of its width; half the width of the fusion.
_RECIPES = {
    "smoke": ProductRecipe(
        teacher=ModelRecipe(
            image=ResNetRecipe("bottleneck", (1, 1, 1, 1), 8),
            text=BertRecipe(1, 32, 2, 64, vocab_size=600),
            fusion=FusionRecipe(256, 8, 512),
            training=TrainingRecipe(epochs=2, batch_size=16, learning_rate=2e-3),
        ),
        student=ModelRecipe(
            image=ResNetRecipe("basic", (1, 1, 1, 1), 8),
            text=BertRecipe(1, 32, 2, 64),
            fusion=FusionRecipe(128, 4, 256),
            training=TrainingRecipe(epochs=2, batch_size=16, learning_rate=2e-3),
        ),
        # Two epochs teach nothing, so that what a step costs is noise.
        distillation=DistillationRecipe(cached_views=2, tolerance=1.0),
        pruning=PruningRecipe(
            steps=2, training=TrainingRecipe(epochs=1, batch_size=16, learning_rate=1e-3), tolerance=1.0
        ),
        quantization=QuantizationRecipe(samples=32, repeats=10, tolerance=1.0),
    ),
    "demo": ProductRecipe(
        teacher=ModelRecipe(
            image=ResNetRecipe("bottleneck", (3, 4, 6, 3), 32),
            text=BertRecipe(4, 256, 4, 1024, vocab_size=2000),
            fusion=FusionRecipe(256, 8, 512),
            training=TrainingRecipe(epochs=40, batch_size=64, learning_rate=1e-3),
        ),
        student=ModelRecipe(
            image=ResNetRecipe("basic", (1, 1, 1, 1), 32),
            text=BertRecipe(1, 128, 4, 512),
            fusion=FusionRecipe(128, 4, 256),
            training=TrainingRecipe(epochs=60, batch_size=64, learning_rate=3e-3),
        ),
        distillation=DistillationRecipe(cached_views=6, feature_weight=3.0, tolerance=0.04),
        # The dev part has some 300 photos: its figures are no more certain than this.
        pruning=PruningRecipe(
            training=TrainingRecipe(epochs=20, batch_size=64, learning_rate=3e-3), tolerance=0.04
        ),
        quantization=QuantizationRecipe(),
    ),
    "full": ProductRecipe(
        teacher=ModelRecipe(
            image=ResNetRecipe("bottleneck", (3, 4, 6, 3), 64, pretrained="resnet50"),
            text=BertRecipe(
                12, 768, 12, 3072, vocab_size=119547, pretrained="google-bert/bert-base-multilingual-cased"
            ),
            fusion=FusionRecipe(256, 8, 512),
            training=TrainingRecipe(epochs=20, batch_size=128, learning_rate=1e-4),
        ),
        student=ModelRecipe(
            image=ResNetRecipe("basic", (1, 1, 1, 1), 64),
            text=BertRecipe(3, 384, 12, 1536),
            fusion=FusionRecipe(128, 4, 256),
            training=TrainingRecipe(epochs=60, batch_size=128, learning_rate=1e-3),
        ),
        # On a GPU the teacher is fast, and views that never repeat teach more.
        distillation=DistillationRecipe(),
        pruning=PruningRecipe(training=TrainingRecipe(epochs=10, batch_size=128, learning_rate=5e-4)),
        quantization=QuantizationRecipe(),
    ),
}
