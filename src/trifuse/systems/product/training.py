"""Prepare the product system for training: data, vocabulary, models and pretrained weights."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from tokenizers import Tokenizer

from trifuse.artifacts import digest
from trifuse.catalog import Item, read_catalog, split_off
from trifuse.errors import ArtifactError, ConfigurationError
from trifuse.models.bert import start_bert
from trifuse.models.resnet import ResNetSize, size_of
from trifuse.models.torchvision_weights import load_backbone, load_weights
from trifuse.preprocessing.image import ImageSettings
from trifuse.preprocessing.text import TOKENIZER, TextEncoder, train_wordpiece
from trifuse.systems.product.data import ProductData, load_data
from trifuse.systems.product.evaluation import Parts, embed, match_scores, pixels
from trifuse.systems.product.model import ProductModel, build_model
from trifuse.systems.product.quality import LANGUAGES, product_of, retrieval
from trifuse.systems.product.task import ProductTask
from trifuse.systems.product.teacher import CachedTeacher, LiveTeacher, Teacher, cache_answers
from trifuse.training import distributed
from trifuse.training.metrics import placement_values
from trifuse.training.workbench import Measured, NewModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract
    from trifuse.systems.product.recipe import ModelRecipe, ProductRecipe

BACKBONES = ("image_encoder", "text_encoder")
# Random crops are cut from photos that are a little larger than the encoder's input.
_CROP_MARGIN = 8 / 7
_FEWEST_ITEMS, _FEWEST_DEV_TITLES = 16, 2


def digest_data(manifest: Path) -> str:
    """Identify a catalogue by its manifest and the size of every training photo."""
    sizes = [
        item.path.stat().st_size if item.path.is_file() else -1 for item in read_catalog(manifest, "train")
    ]
    return hashlib.sha256(f"{digest(manifest)} {sizes}".encode()).hexdigest()


def architecture(recipe: ProductRecipe, member: ModelRecipe) -> dict[str, Any]:
    """Describe a model as the recipe sizes it, for `build_model`; a pretrained one may differ."""
    size = ResNetSize(member.image.block, member.image.depths, member.image.width)
    return _architecture(size, member.text.config(recipe.teacher.text.vocab_size), member)


def new_model(
    contract: SystemContract,
    recipe: ProductRecipe,
    member: ModelRecipe,
    manifest: Path,
    *,
    backbones: Mapping[str, str],
    assets: Mapping[str, str] | None = None,
) -> NewModel:
    """Build a model of the recipe; without `assets`, a vocabulary is trained on the catalogue's titles.

    `backbones` maps part names to checkpoints to start from. Raises ArtifactError or ConfigurationError.
    """
    unknown = sorted(set(backbones) - set(BACKBONES))
    if unknown:
        raise ConfigurationError("no such backbone", got=unknown[0], expected=" or ".join(BACKBONES))
    train, dev = split_off(read_catalog(manifest, "train"), recipe.dev_share, product_of)
    _check_sizes(train, dev)
    image_source = backbones.get("image_encoder", member.image.pretrained)
    weights = load_weights(image_source, "image_encoder") if image_source else None
    size = (
        size_of(weights)
        if weights
        else ResNetSize(member.image.block, member.image.depths, member.image.width)
    )
    bert = start_bert(
        member.text,
        backbones.get("text_encoder"),
        lambda: _vocabulary(assets, train, member.text.vocab_size),
    )
    sizes = _architecture(size, bert.config, member)
    model = build_model(contract, sizes)
    if weights:
        load_backbone(model.image_encoder.backbone, weights)
    if bert.model:
        model.text_encoder.backbone.load_state_dict(bert.model.state_dict())
    model = model.to(memory_format=torch.channels_last)
    return NewModel(model, sizes, {TOKENIZER: bert.tokenizer.to_str(pretty=True)})


def _check_sizes(train: list[Item], dev: list[Item]) -> None:
    titles = {item.title_zh or item.title_en for item in dev}
    if len(train) < _FEWEST_ITEMS or len(titles) < _FEWEST_DEV_TITLES:
        raise ArtifactError(
            "the catalogue is too small to train on",
            got=f"{len(train)} training items, and {len(titles)} titles to choose and calibrate with",
            expected=f"at least {_FEWEST_ITEMS} and {_FEWEST_DEV_TITLES}",
        )


def _vocabulary(assets: Mapping[str, str] | None, train: list[Item], size: int) -> Tokenizer:
    if assets:
        return Tokenizer.from_str(assets[TOKENIZER])
    return train_wordpiece((title for item in train for title in (item.title_zh, item.title_en)), size)


def _architecture(size: ResNetSize, bert: Mapping[str, Any], member: ModelRecipe) -> dict[str, Any]:
    return {"image": asdict(size), "text": bert, "fusion": asdict(member.fusion)}


class Workbench:
    """A catalogue, loaded as far as it is needed, to train and measure product models with."""

    def __init__(
        self, contract: SystemContract, recipe: ProductRecipe, manifest: Path, assets: Mapping[str, str]
    ) -> None:
        self._settings = ImageSettings.of(contract.settings)
        tokenizer = Tokenizer.from_str(assets[TOKENIZER])
        self._encoder = TextEncoder(tokenizer, cast("Sequence[int]", contract.settings["text_lengths"]))
        self._facets, self._manifest = recipe.facets, manifest
        self._train_items, self._dev_items = split_off(
            read_catalog(manifest, "train"), recipe.dev_share, product_of
        )

    def task(self, model: ProductModel, teacher: Teacher | None = None) -> ProductTask:
        """Prepare to train a model, alone or with a teacher from `teach`."""
        return ProductTask(model, self._train, self._dev, self._settings, teacher)

    def teach(self, model: ProductModel, views: int, seed: int, folder: Path) -> Teacher:
        """Prepare a teacher: with `views` above 0 its answers are kept in the folder, made once."""
        if not views:
            return LiveTeacher(model, self._train)
        cache = folder / "teacher.safetensors"
        if distributed.is_main():
            cache_answers(model, self._train, self._settings, views, seed, cache)
        distributed.share(None)
        return CachedTeacher(model, self._train, cache)

    def measure(self, model: Parts) -> Measured:
        """Measure retrieval and matching on the validation part, in each language that it has."""
        data = self._validation
        embedded = embed(model, data, self._settings)
        index = {item.id: position for position, item in enumerate(data.items)}

        def similarity(language: str, titles: Mapping[str, Item]) -> NDArray[np.floating]:
            rows = torch.tensor([index[item.id] for item in titles.values()])
            text = embedded.text[LANGUAGES.index(language)][rows]
            return np.asarray((text @ embedded.image.T).cpu())

        report, queries = retrieval(data.items, similarity)
        queries["match_auc"] = placement_values(*match_scores(model, embedded, data)).tolist()
        return Measured({name: float(np.mean(found)) for name, found in queries.items()}, queries, report)

    def samples(self, count: int) -> dict[str, NDArray[np.generic]]:
        """Preprocess training items, titles in both languages, as the server does."""
        picked = np.linspace(0, len(self._train_items) - 1, count).astype(int)
        items = [self._train_items[index] for index in picked]
        data = load_data(items, self._encoder, self._settings, self._settings.image_size, self._facets)
        language, rows = torch.arange(count) % len(LANGUAGES), torch.arange(count)
        ids, mask = data.titles.draw(language, rows)
        present = np.ones((count, 1), np.float32)
        return {
            "pixel_values": pixels(data.photos, self._settings).contiguous().numpy(),
            "input_ids": ids.numpy(),
            "attention_mask": mask.numpy(),
            "image_present": present,
            "text_present": present,
        }

    def _load(self, items: list[Item], margin: float = 1) -> ProductData:
        size = round(self._settings.image_size * margin)
        return load_data(items, self._encoder, self._settings, size, self._facets)

    @cached_property
    def _train(self) -> ProductData:
        return self._load(self._train_items, _CROP_MARGIN)

    @cached_property
    def _dev(self) -> ProductData:
        return self._load(self._dev_items)

    @cached_property
    def _validation(self) -> ProductData:
        return self._load(read_catalog(self._manifest, "validation"))
