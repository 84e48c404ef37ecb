"""The product system's model sizes and training settings per profile."""

from __future__ import annotations

from dataclasses import dataclass, field

from trifuse.training.recipe import TrainingRecipe


@dataclass(frozen=True)
class ResNetRecipe:
    """Block kind, blocks per stage, first stage's channels; `pretrained` is torchvision's model name."""

    block: str
    depths: tuple[int, int, int, int]
    width: int
    pretrained: str | None = None


@dataclass(frozen=True)
class BertRecipe:
    """Layers, width, heads, feed-forward width, vocabulary; `pretrained` is a hub checkpoint's name."""

    layers: int
    hidden: int
    heads: int
    feed_forward: int
    vocab_size: int
    pretrained: str | None = None


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

    image: ResNetRecipe
    text: BertRecipe
    training: TrainingRecipe
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


_RECIPES = {
    "smoke": ProductRecipe(
        image=ResNetRecipe("bottleneck", (1, 1, 1, 1), 8),
        text=BertRecipe(1, 32, 2, 64, 600),
        training=TrainingRecipe(epochs=2, batch_size=16, learning_rate=2e-3),
    ),
    "demo": ProductRecipe(
        image=ResNetRecipe("bottleneck", (3, 4, 6, 3), 16),
        text=BertRecipe(2, 128, 4, 256, 2000),
        training=TrainingRecipe(epochs=40, batch_size=64, learning_rate=1e-3),
    ),
    "full": ProductRecipe(
        image=ResNetRecipe("bottleneck", (3, 4, 6, 3), 64, pretrained="resnet50"),
        text=BertRecipe(12, 768, 12, 3072, 119547, pretrained="google-bert/bert-base-multilingual-cased"),
        training=TrainingRecipe(epochs=20, batch_size=128, learning_rate=1e-4),
    ),
}
