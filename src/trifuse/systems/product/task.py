"""The product system's training task: what a batch is, what it costs, and how good the model is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.systems.product.evaluation import embed, match_logits, title_map
from trifuse.training.augmentation import PhotoAugmentation
from trifuse.training.calibration import fit_platt
from trifuse.training.losses import contrastive_loss, sample_hard_negatives
from trifuse.training.metrics import area_under_roc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trifuse.preprocessing.image import ImageSettings
    from trifuse.systems.product.data import Facet, ProductData
    from trifuse.systems.product.model import ProductModel
    from trifuse.training.recipe import TrainingRecipe


class ProductTask:
    """Contrastive learning of photo, title and product, with matching on hard negatives.

    A batch is the indices of its items. Source of the losses: ALBEF (https://arxiv.org/abs/2107.07651).
    """

    selection_metric = "title_map"

    def __init__(
        self,
        model: ProductModel,
        train: ProductData,
        dev: ProductData,
        settings: ImageSettings,
        recipe: TrainingRecipe,
    ) -> None:
        self.model = model
        self._train, self._dev = train, dev
        self._settings = settings
        self._batch_size, self._seed = recipe.batch_size, recipe.seed
        self._augment = PhotoAugmentation()
        self._generator = torch.Generator()
        self._mean = torch.tensor(settings.pixel_mean).view(3, 1, 1)
        self._std = torch.tensor(settings.pixel_std).view(3, 1, 1)
        self.steps_per_epoch = max(1, len(train) // recipe.batch_size)

    def batches(self, epoch: int) -> Iterator[Tensor]:
        """Yield the shuffled index batches of an epoch; the epoch alone decides every random draw."""
        self._generator.manual_seed(self._seed * 100_003 + epoch)
        order = torch.randperm(len(self._train), generator=self._generator)
        for step in range(self.steps_per_epoch):
            yield order[step * self._batch_size : (step + 1) * self._batch_size]

    def losses(self, indices: Tensor) -> dict[str, Tensor]:
        """Compute the losses of a batch by name."""
        model, data = self.model, self._train
        image_tokens, image = model.image_encoder(self._views(indices))
        languages = torch.randint(0, 2, (len(indices),), generator=self._generator)
        ids, mask = data.titles.draw(languages, indices)
        text_tokens, text = model.text_encoder(ids, mask)
        _, translation = model.text_encoder(*data.titles.draw(1 - languages, indices))
        positives = data.positives(indices).float()
        relevance = positives + sum(facet.kinship * facet.agreement(indices) for facet in data.facets)
        here = torch.ones(len(indices), 1)
        product = model.joint(image, translation, here, here)
        return {
            "title": contrastive_loss(image, text, model.log_scale, relevance),
            "product": 0.5 * contrastive_loss(product, text, model.log_scale, relevance),
            "matching": self._matching_loss((image_tokens, image), (text_tokens, text), mask, positives),
            **{
                f"facet {number}": self._facet_loss(image, facet, languages, indices)
                for number, facet in enumerate(data.facets)
            },
        }

    def _views(self, indices: Tensor) -> Tensor:
        views = self._augment(self._train.photos[indices], self._settings.image_size, self._generator)
        return ((views - self._mean) / self._std).contiguous(memory_format=torch.channels_last)

    def _facet_loss(self, image: Tensor, facet: Facet, languages: Tensor, indices: Tensor) -> Tensor:
        _, query = self.model.text_encoder(*facet.texts.draw(languages, indices))
        return facet.weight * contrastive_loss(image, query, self.model.log_scale, facet.agreement(indices))

    def _matching_loss(
        self, images: tuple[Tensor, Tensor], texts: tuple[Tensor, Tensor], mask: Tensor, positives: Tensor
    ) -> Tensor:
        """Score each true pair, its photo with a confusable text, and its text with a confusable photo."""
        similarity = self.model.log_scale.exp() * images[1] @ texts[1].T
        wrong_text = sample_hard_negatives(similarity, positives, self._generator)
        wrong_image = sample_hard_negatives(similarity.T, positives, self._generator)
        batch = torch.arange(len(mask))
        photo = torch.cat([batch, batch, wrong_image])
        title = torch.cat([batch, wrong_text, batch])
        logits = self.model.fusion.logit(images[0][photo], texts[0][title], mask[title])
        labels = torch.cat([torch.ones(len(mask)), torch.zeros(2 * len(mask))])
        return functional.binary_cross_entropy_with_logits(logits, labels)

    def evaluate(self, model: ProductModel) -> dict[str, float]:
        """Measure a model on the dev part: mAP of title to photo, and the AUC of matching."""
        embedded = embed(model, self._dev, self._settings)
        logits, labels = match_logits(model, embedded, self._dev)
        return {"title_map": title_map(embedded, self._dev), "match_auc": area_under_roc(logits, labels)}

    def calibrate(self, model: ProductModel) -> dict[str, float]:
        """Fit the match score's temperature and bias on the dev part, as many right pairs as wrong ones."""
        logits, labels = match_logits(model, embed(model, self._dev, self._settings), self._dev)
        slope, bias = fit_platt(logits, labels)
        model.fusion.temperature.fill_(1 / slope)
        model.fusion.bias.fill_(bias)
        accuracy = float(((slope * logits + bias > 0) == labels).mean())
        return {"temperature": 1 / slope, "bias": bias, "match_accuracy": accuracy}
