"""Prepare the template system for training: data, vocabulary, models and pretrained weights."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from trifuse.catalog import Item, read_catalog, split_off
from trifuse.errors import ArtifactError
from trifuse.systems.template.labels import group_of, label_of
from trifuse.systems.template.model import build_model
from trifuse.systems.template.quality import headline_values
from trifuse.systems.template.task import TemplateTask
from trifuse.training.clips.bench import ClipBench, said
from trifuse.training.clips.data import Clips
from trifuse.training.clips.evaluation import answers, encode
from trifuse.training.clips.start import architecture, digest_data, start_model
from trifuse.training.workbench import Measured

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trifuse.contracts import SystemContract
    from trifuse.models.clip_encoders import ClipModel
    from trifuse.training.clips.data import ClipLoader
    from trifuse.training.clips.evaluation import Parts
    from trifuse.training.clips.recipe import ClipModelRecipe, ClipRecipe
    from trifuse.training.clips.teacher import Teacher
    from trifuse.training.workbench import NewModel

__all__ = ["Workbench", "architecture", "digest_data", "new_model"]


def new_model(
    contract: SystemContract,
    recipe: ClipRecipe,
    member: ClipModelRecipe,
    manifest: Path,
    *,
    backbones: Mapping[str, str],
    assets: Mapping[str, str] | None = None,
) -> NewModel:
    """Build a model of the recipe; without `assets`, a vocabulary is trained on what was said.

    `backbones` maps part names to checkpoints to start from. Raises ArtifactError or ConfigurationError.
    """
    train, dev = split_off(read_catalog(manifest, "train"), recipe.dev_share, group_of)
    if not train or not dev:
        raise ArtifactError("there are too few windows to train on", got=f"{len(train)} and {len(dev)}")
    vocabulary = partial(said, contract, train, manifest, member.text.vocab_size, assets)
    return start_model(partial(build_model, contract), member, backbones, vocabulary)


class Workbench(ClipBench):
    """A data set, loaded as far as it is needed, to train and measure models with."""

    def __init__(
        self, contract: SystemContract, recipe: ClipRecipe, manifest: Path, assets: Mapping[str, str]
    ) -> None:
        super().__init__(contract, recipe, manifest, assets, group_of)

    def clips(self, items: list[Item], loader: ClipLoader) -> Clips:
        """Load windows and their labels (n,)."""
        labels = torch.tensor([label_of(item) for item in items])
        return Clips.of(loader.load(items, self._manifest), self._encode, labels)

    def task(self, model: ClipModel, teacher: Teacher | None = None) -> TemplateTask:
        """Prepare to train a model, alone or with a teacher from `teach`."""
        return TemplateTask(model, self.train, self.dev, self._settings, teacher)

    def measure(self, model: Parts) -> Measured:
        """Measure the classes on the validation part."""
        data = self.validation
        tokens = encode(model, data, self._settings.video)
        values = headline_values(answers(model, tokens, data, data.present)[0], data.labels.numpy())
        headline = {name: float(np.mean(found)) for name, found in values.items()}
        return Measured(headline, values, {"windows": len(data)})
