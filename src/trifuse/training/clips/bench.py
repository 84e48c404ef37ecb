"""A data set of windows, loaded as far as it is needed, to train and measure models with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from tokenizers import Tokenizer

from trifuse.catalog import Item, read_catalog, split_off
from trifuse.preprocessing.audio import AudioSettings
from trifuse.preprocessing.text import TOKENIZER, TextEncoder, train_wordpiece
from trifuse.preprocessing.video import VideoSettings
from trifuse.training import distributed
from trifuse.training.clips.data import ClipLoader, Clips
from trifuse.training.clips.evaluation import pixels_of
from trifuse.training.clips.teacher import CachedTeacher, LiveTeacher, Teacher, cache_tokens
from trifuse.training.clips.views import ViewSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract
    from trifuse.models.clip_encoders import ClipModel
    from trifuse.training.clips.evaluation import Parts
    from trifuse.training.clips.recipe import ClipRecipe
    from trifuse.training.distill import Teachable
    from trifuse.training.workbench import Measured

# Random crops are cut from frames that are a little larger than the encoder's input.
CROP_MARGIN = 8 / 7


class ClipBench(ABC):
    """The part of a system's workbench that does not depend on what its windows are judged by.

    `group` names what splits must not share, such as the source video of an item.
    """

    def __init__(
        self,
        contract: SystemContract,
        recipe: ClipRecipe,
        manifest: Path,
        assets: Mapping[str, str],
        group: Callable[[Item], str],
    ) -> None:
        self._contract, self._manifest = contract, manifest
        self._settings = ViewSettings(
            VideoSettings.of(contract.settings), AudioSettings.of(contract.settings), recipe.modality_dropout
        )
        tokenizer = Tokenizer.from_str(assets[TOKENIZER])
        self._encode = TextEncoder(tokenizer, cast("Sequence[int]", contract.settings["text_lengths"]))
        items = read_catalog(manifest, "train")
        self._train_items, self._dev_items = split_off(items, recipe.dev_share, group)

    @abstractmethod
    def clips(self, items: list[Item], loader: ClipLoader) -> Clips:
        """Load windows with what the system knows of them."""

    @abstractmethod
    def task(self, model: Any, teacher: Teacher | None = None) -> Teachable:
        """Prepare to train a model, alone or with a teacher from `teach`."""

    @abstractmethod
    def measure(self, model: Parts) -> Measured:
        """Measure a model's parts, torch's or ONNX Runtime's, on the validation part."""

    def teach(self, model: ClipModel, views: int, seed: int, folder: Path) -> Teacher:
        """Prepare a teacher: with `views` above 0 its tokens are kept in the folder, made once."""
        if not views:
            return LiveTeacher(model, self.train, self._settings)
        cache = folder / "teacher.safetensors"
        if distributed.is_main():
            cache_tokens(model, self.train, self._settings, views, seed, cache)
        distributed.share(None)
        return CachedTeacher(model, self.train, cache)

    def samples(self, count: int) -> dict[str, NDArray[np.generic]]:
        """Preprocess training windows as the server does."""
        picked = np.linspace(0, len(self._train_items) - 1, count).astype(int)
        data = self.clips([self._train_items[index] for index in picked], loader(self._contract))
        known = {
            "pixel_values": pixels_of(data.decoded.frames, self._settings.video),
            "mfcc": data.decoded.mfcc,
            "mfcc_lengths": data.decoded.lengths,
            "input_ids": data.input_ids,
            "attention_mask": data.attention_mask,
            "present": data.present,
            **data.extras,
        }
        return {name: tensor.numpy() for name, tensor in known.items()}

    @cached_property
    def train(self) -> Clips:
        """The windows to train on, with a margin for crops."""
        return self.clips(self._train_items, loader(self._contract, CROP_MARGIN))

    @cached_property
    def dev(self) -> Clips:
        """The windows to choose and calibrate with."""
        return self.clips(self._dev_items, loader(self._contract))

    @cached_property
    def validation(self) -> Clips:
        """The windows to report on."""
        return self.clips(read_catalog(self._manifest, "validation"), loader(self._contract))


def loader(contract: SystemContract, margin: float = 1) -> ClipLoader:
    """Prepare to decode windows under a contract; `margin` makes frames larger than the encoder's input."""
    video = VideoSettings.of(contract.settings)
    larger = replace(video, frame_size=round(video.frame_size * margin))
    return ClipLoader(larger, AudioSettings.of(contract.settings))


def said(
    contract: SystemContract,
    items: Sequence[Item],
    manifest: Path,
    size: int,
    assets: Mapping[str, str] | None,
) -> Tokenizer:
    """Take the vocabulary of the assets, else train one of that size on what the windows say."""
    if assets:
        return Tokenizer.from_str(assets[TOKENIZER])
    texts = loader(contract, CROP_MARGIN).load(items, manifest).texts
    return train_wordpiece(filter(None, texts), size)
