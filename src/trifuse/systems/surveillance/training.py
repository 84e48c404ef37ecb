"""Prepare the surveillance system for training: data, vocabulary, models and pretrained weights."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from trifuse.catalog import Item, read_catalog, split_off
from trifuse.errors import ArtifactError
from trifuse.systems.surveillance.data import load_clips
from trifuse.systems.surveillance.evaluation import report, scores, truth
from trifuse.systems.surveillance.manifest import source_of
from trifuse.systems.surveillance.model import build_model
from trifuse.systems.surveillance.quality import headline_values
from trifuse.systems.surveillance.task import SurveillanceTask
from trifuse.training.clips.bench import ClipBench, said
from trifuse.training.clips.evaluation import encode
from trifuse.training.clips.start import architecture, digest_data, start_model
from trifuse.training.workbench import Measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

    from trifuse.contracts import SystemContract
    from trifuse.models.clip_encoders import ClipModel
    from trifuse.training.clips.data import ClipLoader, Clips
    from trifuse.training.clips.evaluation import Parts
    from trifuse.training.clips.recipe import ClipModelRecipe, ClipRecipe
    from trifuse.training.clips.teacher import Teacher
    from trifuse.training.workbench import NewModel

__all__ = ["Workbench", "architecture", "digest_data", "new_model"]

_FEWEST_ITEMS = 16


def new_model(
    contract: SystemContract,
    recipe: ClipRecipe,
    member: ClipModelRecipe,
    manifest: Path,
    *,
    backbones: Mapping[str, str],
    assets: Mapping[str, str] | None = None,
) -> NewModel:
    """Build a model of the recipe; without `assets`, a vocabulary is trained on what the recordings say.

    `backbones` maps part names to checkpoints to start from. Raises ArtifactError or ConfigurationError.
    """
    train, dev = split_off(read_catalog(manifest, "train"), recipe.dev_share, source_of)
    _check_sizes(train, dev)

    def vocabulary() -> Tokenizer:
        return said(contract, train, manifest, member.text.vocab_size, assets)

    return start_model(partial(build_model, contract), member, backbones, vocabulary)


def _check_sizes(train: Sequence[Item], dev: Sequence[Item]) -> None:
    labels = {bool(item.values("events")) or bool(item.attributes.get("abnormal")) for item in dev}
    if len(train) < _FEWEST_ITEMS or labels != {True, False}:
        raise ArtifactError(
            "there are too few recordings to train on",
            got=f"{len(train)} training windows, {len(dev)} to choose and calibrate with",
            expected=f"at least {_FEWEST_ITEMS}, and normal and abnormal ones among the others",
        )


class Workbench(ClipBench):
    """A data set, loaded as far as it is needed, to train and measure surveillance models with."""

    def __init__(
        self,
        contract: SystemContract,
        recipe: ClipRecipe,
        manifest: Path,
        assets: Mapping[str, str],
    ) -> None:
        super().__init__(contract, recipe, manifest, assets, source_of)

    def clips(self, items: list[Item], loader: ClipLoader) -> Clips:
        """Load windows, their labels and their scenes."""
        history_s = cast("float", self._contract.settings["scene_history_s"])
        return load_clips(items, self._manifest, loader, self._encode, history_s)

    def task(self, model: ClipModel, teacher: Teacher | None = None) -> SurveillanceTask:
        """Prepare to train a model, alone or with a teacher from `teach`."""
        return SurveillanceTask(model, self.train, self.dev, self._settings, teacher)

    def measure(self, model: Parts) -> Measured:
        """Measure the decisions on the validation part, for every subset of the modalities too."""
        data = self.validation
        tokens = encode(model, data, self._settings.video)
        values = headline_values(scores(model, tokens, data, data.present), truth(data))
        headline = {name: float(np.mean(found)) for name, found in values.items()}
        details: dict[str, Any] = report(model, tokens, data)
        return Measured(headline, values, details)
