"""Prepare the surveillance system for training: data, vocabulary, models and pretrained weights."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from tokenizers import Tokenizer

from trifuse.artifacts import digest
from trifuse.catalog import Item, read_catalog, split_off
from trifuse.errors import ArtifactError, ConfigurationError
from trifuse.models.bert import BertSize, load_bert
from trifuse.models.r3d import R3DSize, size_of
from trifuse.models.torchvision_weights import load_backbone, load_weights
from trifuse.preprocessing.audio import AudioSettings
from trifuse.preprocessing.text import TextEncoder, train_wordpiece
from trifuse.preprocessing.video import VideoSettings
from trifuse.stages.chain import digest_of
from trifuse.systems.surveillance.data import EncodedWindows, WindowLoader
from trifuse.systems.surveillance.evaluation import Parts, encode, pixels_of, report, scores
from trifuse.systems.surveillance.manifest import source_of
from trifuse.systems.surveillance.model import SurveillanceModel, build_model
from trifuse.systems.surveillance.preprocess import TOKENIZER
from trifuse.systems.surveillance.quality import headline_values
from trifuse.systems.surveillance.task import Settings, SurveillanceTask
from trifuse.systems.surveillance.teacher import CachedTeacher, LiveTeacher, Teacher, cache_tokens
from trifuse.training import distributed
from trifuse.training.workbench import Measured, NewModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract
    from trifuse.systems.surveillance.data import Windows
    from trifuse.systems.surveillance.recipe import ModelRecipe, SurveillanceRecipe

BACKBONES = ("video_encoder", "text_encoder")
# Random crops are cut from frames that are a little larger than the encoder's input.
_CROP_MARGIN = 8 / 7
_FEWEST_ITEMS = 16


def digest_data(manifest: Path) -> str:
    """Identify a data set by its manifest and the size of every training recording."""
    items = read_catalog(manifest, "train")
    sizes = [item.path.stat().st_size if item.path.is_file() else -1 for item in items]
    return digest_of([digest(manifest), sizes])


def architecture(recipe: SurveillanceRecipe, member: ModelRecipe) -> dict[str, Any]:
    """Describe a model as the recipe sizes it, for `build_model`; a pretrained one may differ."""
    size = R3DSize(member.video.depths, member.video.width)
    return _architecture(size, _bert_size(member, recipe.teacher.text.vocab_size).config(), member)


def new_model(
    contract: SystemContract,
    recipe: SurveillanceRecipe,
    member: ModelRecipe,
    manifest: Path,
    *,
    backbones: Mapping[str, str],
    assets: Mapping[str, str] | None = None,
) -> NewModel:
    """Build a model of the recipe; without `assets`, a vocabulary is trained on what the recordings say.

    `backbones` maps part names to checkpoints to start from. Raises ArtifactError or ConfigurationError.
    """
    unknown = sorted(set(backbones) - set(BACKBONES))
    if unknown:
        raise ConfigurationError("no such backbone", got=unknown[0], expected=" or ".join(BACKBONES))
    train, dev = split_off(read_catalog(manifest, "train"), recipe.dev_share, source_of)
    _check_sizes(train, dev)
    video_source = backbones.get("video_encoder", member.video.pretrained)
    weights = load_weights(video_source, "video_encoder") if video_source else None
    size = size_of(weights) if weights else R3DSize(member.video.depths, member.video.width)
    text_source = backbones.get("text_encoder", member.text.pretrained)
    if text_source:
        bert, config, tokenizer = load_bert(text_source)
    else:
        bert, tokenizer = None, _vocabulary(contract, assets, train, manifest, member.text.vocab_size)
        config = _bert_size(member, tokenizer.get_vocab_size()).config()
    sizes = _architecture(size, config, member)
    model = build_model(contract, sizes)
    if weights:
        load_backbone(model.video_encoder.backbone, weights)
    if bert:
        model.text_encoder.backbone.load_state_dict(bert.state_dict())
    return NewModel(model, sizes, {TOKENIZER: tokenizer.to_str(pretty=True)})


def _check_sizes(train: Sequence[Item], dev: Sequence[Item]) -> None:
    labels = {bool(item.values("events")) or bool(item.attributes.get("abnormal")) for item in dev}
    if len(train) < _FEWEST_ITEMS or labels != {True, False}:
        raise ArtifactError(
            "there are too few recordings to train on",
            got=f"{len(train)} training windows, {len(dev)} to choose and calibrate with",
            expected=f"at least {_FEWEST_ITEMS}, and normal and abnormal ones among the others",
        )


def _vocabulary(
    contract: SystemContract,
    assets: Mapping[str, str] | None,
    train: list[Item],
    manifest: Path,
    size: int,
) -> Tokenizer:
    if assets:
        return Tokenizer.from_str(assets[TOKENIZER])
    windows = loader(contract, _CROP_MARGIN).load(train, manifest)
    return train_wordpiece((text for text in windows.texts if text), size)


def _architecture(size: R3DSize, bert: Mapping[str, Any], member: ModelRecipe) -> dict[str, Any]:
    return {
        "video": asdict(size),
        "audio": asdict(member.audio),
        "text": bert,
        "fusion": asdict(member.fusion),
    }


def _bert_size(member: ModelRecipe, vocab_size: int) -> BertSize:
    text = member.text
    return BertSize(text.layers, text.hidden, text.heads, text.feed_forward, vocab_size)


def loader(contract: SystemContract, margin: float = 1) -> WindowLoader:
    """Prepare to decode windows under a contract; `margin` makes frames larger than the encoder's input."""
    video = VideoSettings.of(contract.settings)
    history_s = cast("float", contract.settings["scene_history_s"])
    larger = replace(video, frame_size=round(video.frame_size * margin))
    return WindowLoader(larger, AudioSettings.of(contract.settings), history_s)


class Workbench:
    """A data set, loaded as far as it is needed, to train and measure surveillance models with."""

    def __init__(
        self,
        contract: SystemContract,
        recipe: SurveillanceRecipe,
        manifest: Path,
        assets: Mapping[str, str],
    ) -> None:
        self._contract, self._manifest = contract, manifest
        self._settings = Settings(
            VideoSettings.of(contract.settings), AudioSettings.of(contract.settings), recipe.modality_dropout
        )
        tokenizer = Tokenizer.from_str(assets[TOKENIZER])
        self._encode = TextEncoder(tokenizer, cast("Sequence[int]", contract.settings["text_lengths"]))
        self._train_items, self._dev_items = split_off(
            read_catalog(manifest, "train"), recipe.dev_share, source_of
        )

    def task(self, model: SurveillanceModel, teacher: Teacher | None = None) -> SurveillanceTask:
        """Prepare to train a model, alone or with a teacher from `teach`."""
        return SurveillanceTask(model, self._train, self._dev, self._settings, teacher)

    def teach(self, model: SurveillanceModel, views: int, seed: int, folder: Path) -> Teacher:
        """Prepare a teacher: with `views` above 0 its tokens are kept in the folder, made once."""
        if not views:
            return LiveTeacher(model, self._train, self._settings)
        cache = folder / "teacher.safetensors"
        if distributed.is_main():
            cache_tokens(model, self._train, self._settings, views, seed, cache)
        distributed.share(None)
        return CachedTeacher(model, self._train, cache)

    def measure(self, model: Parts) -> Measured:
        """Measure the decisions on the validation part, for every subset of the modalities too."""
        data = self._validation
        tokens = encode(model, data, self._settings.video)
        values = headline_values(scores(model, tokens, data, data.windows.present), data.labels)
        headline = {name: float(np.mean(found)) for name, found in values.items()}
        return Measured(headline, values, report(model, tokens, data))

    def samples(self, count: int) -> dict[str, NDArray[np.generic]]:
        """Preprocess training windows as the server does."""
        picked = np.linspace(0, len(self._train_items) - 1, count).astype(int)
        items = [self._train_items[index] for index in picked]
        windows = loader(self._contract).load(items, self._manifest)
        data = EncodedWindows.of(windows, self._encode)
        return {
            "pixel_values": pixels_of(windows.frames, self._settings.video).numpy(),
            "mfcc": windows.mfcc.numpy(),
            "mfcc_lengths": windows.lengths.numpy(),
            "input_ids": data.input_ids.numpy(),
            "attention_mask": data.attention_mask.numpy(),
            "evidence": windows.evidence.numpy(),
            "present": windows.present.numpy(),
        }

    def _load(self, items: list[Item], margin: float = 1) -> EncodedWindows:
        windows: Windows = loader(self._contract, margin).load(items, self._manifest)
        return EncodedWindows.of(windows, self._encode)

    @cached_property
    def _train(self) -> EncodedWindows:
        return self._load(self._train_items, _CROP_MARGIN)

    @cached_property
    def _dev(self) -> EncodedWindows:
        return self._load(self._dev_items)

    @cached_property
    def _validation(self) -> EncodedWindows:
        return self._load(read_catalog(self._manifest, "validation"))
