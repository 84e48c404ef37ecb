"""Prepare the learning system for training: data, vocabulary, models and pretrained weights."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trifuse.catalog import Item, read_catalog, split_off
from trifuse.errors import ArtifactError
from trifuse.systems.learning.labels import label_of, learner_of
from trifuse.systems.learning.model import build_model
from trifuse.systems.learning.quality import SUBSETS, details, figures, headline_values
from trifuse.systems.learning.task import LearningTask
from trifuse.training.clips import start
from trifuse.training.clips.bench import ClipBench, said
from trifuse.training.clips.data import Clips
from trifuse.training.clips.evaluation import answers, encode
from trifuse.training.clips.start import digest_data
from trifuse.training.workbench import Measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

    from trifuse.contracts import SystemContract
    from trifuse.models.clip_encoders import ClipModel
    from trifuse.systems.learning.recipe import LearningRecipe
    from trifuse.training.clips.data import ClipLoader
    from trifuse.training.clips.evaluation import Parts
    from trifuse.training.clips.recipe import ClipModelRecipe
    from trifuse.training.clips.teacher import Teacher
    from trifuse.training.workbench import NewModel

__all__ = ["Workbench", "architecture", "digest_data", "new_model"]

_FEWEST_ITEMS = 16


def architecture(recipe: LearningRecipe, member: ClipModelRecipe) -> dict[str, Any]:
    """Describe a model as the recipe sizes it, for `build_model`; a pretrained one may differ."""
    return start.architecture(recipe, member) | {"affects": recipe.affects}


def new_model(
    contract: SystemContract,
    recipe: LearningRecipe,
    member: ClipModelRecipe,
    manifest: Path,
    *,
    backbones: Mapping[str, str],
    assets: Mapping[str, str] | None = None,
) -> NewModel:
    """Build a model of the recipe; without `assets`, a vocabulary is trained on what was said.

    `backbones` maps part names to checkpoints to start from. Raises ArtifactError or ConfigurationError.
    """
    train, dev = split_off(read_catalog(manifest, "train"), recipe.dev_share, learner_of)
    _check_sizes(train, dev)

    def vocabulary() -> Tokenizer:
        return said(contract, train, manifest, member.text.vocab_size, assets)

    further = {"affects": recipe.affects}
    return start.start_model(partial(build_model, contract), member, backbones, vocabulary, further)


def _check_sizes(train: Sequence[Item], dev: Sequence[Item]) -> None:
    labels = {tuple(label_of(item)[:2]) for item in dev}
    if len(train) < _FEWEST_ITEMS or len(labels) < 2:
        raise ArtifactError(
            "there are too few recordings to train on",
            got=f"{len(train)} training windows, {len(labels)} kinds to choose and calibrate with",
            expected=f"at least {_FEWEST_ITEMS}, and 2 kinds of behaviour or attention",
            hint="Windows of further learners help",
        )


class Workbench(ClipBench):
    """A data set, loaded as far as it is needed, to train and measure learning models with."""

    def __init__(
        self,
        contract: SystemContract,
        recipe: LearningRecipe,
        manifest: Path,
        assets: Mapping[str, str],
    ) -> None:
        super().__init__(contract, recipe, manifest, assets, learner_of)

    def clips(self, items: list[Item], loader: ClipLoader) -> Clips:
        """Load windows and their labels (n, 5) as in LABELS."""
        labels = torch.tensor([label_of(item) for item in items])
        return Clips.of(loader.load(items, self._manifest), self._encode, labels)

    def task(self, model: ClipModel, teacher: Teacher | None = None) -> LearningTask:
        """Prepare to train a model, alone or with a teacher from `teach`."""
        return LearningTask(model, self.train, self.dev, self._settings, teacher)

    def measure(self, model: Parts) -> Measured:
        """Measure behaviours and attention on the validation part, for every subset of the modalities too."""
        data = self.validation
        tokens, labels = encode(model, data, self._settings.video), data.labels.numpy()
        found = answers(model, tokens, data, data.present)
        values = headline_values(found[0], found[1], labels)
        report = details(found[0], found[1], labels)
        report["subsets"] = {}
        for name, admitted in SUBSETS.items():
            parts = answers(model, tokens, data, data.present * torch.from_numpy(admitted))
            report["subsets"][name] = figures(parts[0], parts[1], labels)
        headline = {name: float(np.mean(one)) for name, one in values.items()}
        return Measured(headline, values, report)
