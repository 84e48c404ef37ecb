"""Prepare the product system for training: data, vocabulary, models and pretrained weights."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from trifuse.artifacts import digest
from trifuse.catalog import Item, read_catalog
from trifuse.errors import ArtifactError, ConfigurationError
from trifuse.models.bert import BertSize, load_bert
from trifuse.models.resnet import ResNetSize, load_backbone, load_weights, size_of
from trifuse.preprocessing.image import ImageSettings
from trifuse.preprocessing.text import TextEncoder, train_wordpiece
from trifuse.systems.product.data import ProductData, load_data, split_dev
from trifuse.systems.product.evaluation import embed
from trifuse.systems.product.model import ProductModel, build_model
from trifuse.systems.product.preprocess import TOKENIZER
from trifuse.systems.product.quality import LANGUAGES, distinct_titles, language_report
from trifuse.systems.product.task import ProductTask
from trifuse.training.stage import TrainingJob

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenizers import Tokenizer

    from trifuse.contracts import SystemContract
    from trifuse.systems.product.recipe import ProductRecipe

BACKBONES = ("image_encoder", "text_encoder")
# Random crops are cut from photos that are a little larger than the encoder's input.
_CROP_MARGIN = 8 / 7
_FEWEST_ITEMS, _FEWEST_DEV_TITLES = 16, 2


def prepare(
    contract: SystemContract, recipe: ProductRecipe, manifest: Path, backbones: Mapping[str, str]
) -> TrainingJob:
    """Read the catalogue and build the models; `backbones` maps part names to checkpoints to start from.

    Raises ArtifactError or ConfigurationError.
    """
    unknown = sorted(set(backbones) - set(BACKBONES))
    if unknown:
        raise ConfigurationError("no such backbone", got=unknown[0], expected=" or ".join(BACKBONES))
    torch.manual_seed(recipe.training.seed)
    items = read_catalog(manifest, "train")
    train, dev = split_dev(items, recipe.dev_share)
    _check_sizes(train, dev)
    model, architecture, tokenizer = _assemble(contract, recipe, train, backbones)
    settings = ImageSettings.of(contract.settings)
    encoder = TextEncoder(tokenizer, cast("Sequence[int]", contract.settings["text_lengths"]))

    def load(items: list[Item], margin: float = 1) -> ProductData:
        return load_data(items, encoder, settings, round(settings.image_size * margin), recipe.facets)

    validation = load(read_catalog(manifest, "validation"))
    return TrainingJob(
        task=ProductTask(model, load(train, _CROP_MARGIN), load(dev), settings, recipe.training),
        architecture=architecture,
        inputs={"data": _digest_data(manifest, items), "backbones": _digest_backbones(backbones)},
        assets={TOKENIZER: tokenizer.to_str(pretty=True)},
        report=lambda: validation_report(model, validation, settings),
    )


def validation_report(model: ProductModel, data: ProductData, settings: ImageSettings) -> dict[str, Any]:
    """Measure text to photo retrieval on the validation part, for each language that it has."""
    embedded = embed(model, data, settings)
    index = {item.id: position for position, item in enumerate(data.items)}
    report: dict[str, Any] = {}
    for language, text in zip(LANGUAGES, embedded.text, strict=True):
        queries = list(distinct_titles(data.items, language).values())
        if queries:
            rows = torch.tensor([index[query.id] for query in queries])
            similarity = np.asarray(text[rows] @ embedded.image.T)
            report[language] = language_report(similarity, queries, data.items)
    return report


def _check_sizes(train: list[Item], dev: list[Item]) -> None:
    titles = {item.title_zh or item.title_en for item in dev}
    if len(train) < _FEWEST_ITEMS or len(titles) < _FEWEST_DEV_TITLES:
        raise ArtifactError(
            "the catalogue is too small to train on",
            got=f"{len(train)} training items, and {len(titles)} titles to choose and calibrate with",
            expected=f"at least {_FEWEST_ITEMS} and {_FEWEST_DEV_TITLES}",
        )


def _digest_data(manifest: Path, items: list[Item]) -> str:
    """Identify the catalogue by its manifest and the size of every photo."""
    sizes = [item.path.stat().st_size if item.path.is_file() else -1 for item in items]
    return hashlib.sha256(f"{digest(manifest)} {sizes}".encode()).hexdigest()


def _digest_backbones(backbones: Mapping[str, str]) -> str:
    """Identify the checkpoints by their files, or by their names on the hub."""
    parts = []
    for part, source in sorted(backbones.items()):
        path = Path(source)
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        parts.append([part, *(map(digest, files) if files else [source])])
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _assemble(
    contract: SystemContract, recipe: ProductRecipe, train: list[Item], backbones: Mapping[str, str]
) -> tuple[ProductModel, dict[str, Any], Tokenizer]:
    image_source = backbones.get("image_encoder", recipe.image.pretrained)
    text_source = backbones.get("text_encoder", recipe.text.pretrained)
    weights = load_weights(image_source) if image_source else None
    size = (
        size_of(weights)
        if weights
        else ResNetSize(recipe.image.block, recipe.image.depths, recipe.image.width)
    )
    bert = None
    if text_source:
        bert, config, tokenizer = load_bert(text_source)
    else:
        tokenizer = train_wordpiece(
            (title for item in train for title in (item.title_zh, item.title_en)), recipe.text.vocab_size
        )
        text = recipe.text
        config = BertSize(
            text.layers, text.hidden, text.heads, text.feed_forward, tokenizer.get_vocab_size()
        ).config()
    architecture = {"image": asdict(size), "text": config}
    model = build_model(contract, architecture)
    if weights:
        load_backbone(model.image_encoder.backbone, weights)
    if bert:
        model.text_encoder.backbone.load_state_dict(bert.state_dict())
    return model.to(memory_format=torch.channels_last), architecture, tokenizer
