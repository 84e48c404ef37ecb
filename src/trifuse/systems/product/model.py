"""The product models: two encoders into one joint space, and the cross-attention that scores a pair."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from trifuse.compression.prune import Prunable
from trifuse.export import cases
from trifuse.export.cases import BATCHES
from trifuse.models.bert import attention_heads, build_bert, residual_writers
from trifuse.models.cross_attention import CrossModalAttention
from trifuse.models.resnet import ResNet, ResNetSize
from trifuse.systems.product.contract import EMBEDDING_DIM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from trifuse.contracts import SystemContract


class ImageEncoder(nn.Module):
    """ResNet patches projected to (batch, patches, 256), and their mean as a unit vector (batch, 256)."""

    def __init__(self, backbone: nn.Module, channels: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.patch_projection = nn.Linear(channels, EMBEDDING_DIM)
        self.patch_norm = nn.LayerNorm(EMBEDDING_DIM)
        self.projection = nn.Linear(channels, EMBEDDING_DIM)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """Compute (image_tokens, image_embedding) from pixels (batch, 3, size, size)."""
        patches = self.backbone(pixel_values).flatten(2).transpose(1, 2)
        tokens = self.patch_norm(self.patch_projection(patches))
        return tokens, functional.normalize(self.projection(patches.mean(dim=1)), dim=-1)


class TextEncoder(nn.Module):
    """BERT states projected to (batch, tokens, 256), and the first one as a unit vector (batch, 256)."""

    def __init__(self, backbone: nn.Module, hidden: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.token_projection = nn.Linear(hidden, EMBEDDING_DIM)
        self.token_norm = nn.LayerNorm(EMBEDDING_DIM)
        self.projection = nn.Linear(hidden, EMBEDDING_DIM)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Compute (text_tokens, text_embedding) from ids and mask (batch, tokens)."""
        states = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        tokens = self.token_norm(self.token_projection(states))
        return tokens, functional.normalize(self.projection(states[:, 0]), dim=-1)


class Fusion(nn.Module):
    """Scores a (photo, text) pair: a calibrated match probability (batch, 1) and a fused vector (batch, 256).

    `temperature` and `bias` are Platt's calibration (https://doi.org/10.1145/1102351.1102430, section 4),
    fitted after training.
    """

    temperature: Tensor
    bias: Tensor

    def __init__(self, attention: CrossModalAttention) -> None:
        super().__init__()
        self.attention = attention
        self.classifier = nn.Linear(EMBEDDING_DIM, 1)
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("bias", torch.zeros(()))

    def logit(self, image_tokens: Tensor, text_tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Score pairs before calibration, (batch,)."""
        return cast("Tensor", self.classifier(self.attention(image_tokens, text_tokens, attention_mask)))[
            :, 0
        ]

    def forward(
        self, image_tokens: Tensor, text_tokens: Tensor, attention_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute (match_score, fused)."""
        fused = self.attention(image_tokens, text_tokens, attention_mask)
        score = torch.sigmoid(self.classifier(fused) / self.temperature + self.bias)
        return score, fused


class Joint(nn.Module):
    """A product's vector in the joint space: the weighted mean of what is present, as a unit vector."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(2))

    def forward(
        self, image_embedding: Tensor, text_embedding: Tensor, image_present: Tensor, text_present: Tensor
    ) -> Tensor:
        """Combine embeddings (batch, 256) by their presence (batch, 1)."""
        weights = torch.softmax(self.weights, dim=0)
        mixed = weights[0] * image_present * image_embedding + weights[1] * text_present * text_embedding
        return functional.normalize(mixed, dim=-1)


class ProductModel(nn.Module):
    """All parts of the product system; the attribute names are the contract's part names."""

    def __init__(self, image_encoder: ImageEncoder, text_encoder: TextEncoder, fusion: Fusion) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.text_encoder = text_encoder
        self.fusion = fusion
        self.joint = Joint()
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return self.log_scale.device


def build_model(contract: SystemContract, architecture: Mapping[str, Any]) -> ProductModel:
    """Build the models of an architecture (`image`, `text`: BERT settings, `fusion`) untrained."""
    size = ResNetSize(**architecture["image"])
    settings = contract.settings
    resnet = ResNet(size, cast("int", settings["image_size"]), cast("int", settings["patch_grid"]))
    text = architecture["text"]
    bert = build_bert(text)
    fusion = CrossModalAttention(EMBEDDING_DIM, **architecture["fusion"])
    return ProductModel(
        ImageEncoder(resnet, resnet.channels), TextEncoder(bert, text["hidden_size"]), Fusion(fusion)
    )


def export_cases(
    contract: SystemContract, part: str, architecture: Mapping[str, Any], batches: Sequence[int] = BATCHES
) -> Iterator[dict[str, Tensor]]:
    """Yield inputs of a part over batch sizes and text lengths, to export with (the first) and to compare."""
    return cases.export_cases(contract, part, architecture, batches, _special)


def _special(example: Mapping[str, Tensor]) -> dict[str, Tensor]:
    mask = example["attention_mask"]
    found = {"image_present": torch.ones(len(mask), 1), "text_present": mask[:, -1:].float()}
    if "image_tokens" in example:
        # A number of patches that differs from the number of words keeps the two axes apart in the export.
        tokens = example["image_tokens"]
        found["image_tokens"] = torch.cat([tokens, tokens[:, :1].flip(2)], dim=1)
    return found


def prunables(
    contract: SystemContract, model: ProductModel, architecture: Mapping[str, Any]
) -> list[Prunable]:
    """Name what can be pruned: the encoders' insides, and the fusion's feed-forward units."""
    image, text, fusion = model.image_encoder, model.text_encoder, model.fusion
    attention = fusion.attention
    keep: dict[str, list[nn.Module]] = {
        "image_encoder": [image.patch_projection, image.projection],
        "text_encoder": [*residual_writers(text.backbone), text.token_projection, text.projection],
        "fusion": [
            *(module for module in (attention.query, attention.output) if isinstance(module, nn.Linear)),
            attention.attention,
            attention.attention.out_proj,
            attention.feed_forward[-1],
            attention.whole_image,
            attention.whole_text,
            fusion.classifier,
        ],
    }
    heads = {"text_encoder": attention_heads(text.backbone)}
    return [
        Prunable(
            name,
            model.get_submodule(name),
            tuple(next(export_cases(contract, name, architecture)).values()),
            kept,
            heads.get(name, {}),
        )
        for name, kept in keep.items()
    ]
