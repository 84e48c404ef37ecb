"""Models of systems that look at windows, before training: sizes, vocabulary, pretrained weights."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trifuse.artifacts import digest
from trifuse.catalog import read_catalog
from trifuse.errors import ConfigurationError
from trifuse.models.bert import start_bert
from trifuse.models.r3d import R3DSize, size_of
from trifuse.models.torchvision_weights import load_backbone, load_weights
from trifuse.preprocessing.text import TOKENIZER
from trifuse.stages.chain import digest_of
from trifuse.training.workbench import NewModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tokenizers import Tokenizer

    from trifuse.models.clip_encoders import ClipModel
    from trifuse.training.clips.recipe import ClipModelRecipe, ClipRecipe

BACKBONES = ("video_encoder", "text_encoder")


def digest_data(manifest: Path) -> str:
    """Identify a data set by its manifest and the size of every training recording."""
    items = read_catalog(manifest, "train")
    sizes = [item.path.stat().st_size if item.path.is_file() else -1 for item in items]
    return digest_of([digest(manifest), sizes])


def architecture(recipe: ClipRecipe, member: ClipModelRecipe) -> dict[str, Any]:
    """Describe a model as the recipe sizes it, for `build_model`; a pretrained one may differ."""
    size = R3DSize(member.video.depths, member.video.width)
    return _architecture(size, member.text.config(recipe.teacher.text.vocab_size), member)


def start_model(
    build: Callable[[dict[str, Any]], ClipModel],
    member: ClipModelRecipe,
    backbones: Mapping[str, str],
    vocabulary: Callable[[], Tokenizer],
    further: Mapping[str, Any] | None = None,
) -> NewModel:
    """Build a model of the recipe from its architecture; `vocabulary` is asked if BERT brings none.

    `backbones` maps part names to checkpoints to start from, `further` are the system's own sizes.
    Raises ArtifactError or ConfigurationError.
    """
    unknown = sorted(set(backbones) - set(BACKBONES))
    if unknown:
        raise ConfigurationError("no such backbone", got=unknown[0], expected=" or ".join(BACKBONES))
    source = backbones.get("video_encoder", member.video.pretrained)
    weights = load_weights(source, "video_encoder") if source else None
    size = size_of(weights) if weights else R3DSize(member.video.depths, member.video.width)
    bert = start_bert(member.text, backbones.get("text_encoder"), vocabulary)
    sizes = _architecture(size, bert.config, member) | dict(further or {})
    model = build(sizes)
    if weights:
        load_backbone(model.video_encoder.backbone, weights)
    if bert.model:
        model.text_encoder.backbone.load_state_dict(bert.model.state_dict())
    return NewModel(model, sizes, {TOKENIZER: bert.tokenizer.to_str(pretty=True)})


def _architecture(size: R3DSize, bert: Mapping[str, Any], member: ClipModelRecipe) -> dict[str, Any]:
    return {
        "video": asdict(size),
        "audio": asdict(member.audio),
        "text": bert,
        "fusion": asdict(member.fusion),
    }
