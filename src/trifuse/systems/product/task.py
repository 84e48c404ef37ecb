"""The product system's training task: what a batch is, what it costs, and how good the model is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from trifuse.systems.product.evaluation import embed, match_logits, match_scores, title_map
from trifuse.training import distributed
from trifuse.training.augmentation import DRAWS, PhotoAugmentation
from trifuse.training.calibration import fit_platt
from trifuse.training.distill import Comparison
from trifuse.training.losses import contrastive_loss, sample_hard_negatives
from trifuse.training.metrics import area_under_roc

if TYPE_CHECKING:
    from trifuse.preprocessing.image import ImageSettings
    from trifuse.systems.product.data import ProductData, Texts
    from trifuse.systems.product.model import ProductModel
    from trifuse.systems.product.teacher import Teacher


@dataclass(frozen=True)
class Pairs:
    """Pairs of a photo and a title to judge, as positions in the batch, and which of them match."""

    photo: Tensor
    title: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Answers:
    """What a model says: vectors (batch, 256) of photos, titles and the facets' queries, and pairs' logits.

    The vectors are those of all processes, the logits (pairs,) those of this one's.
    """

    image: Tensor
    text: Tensor
    facets: list[Tensor]
    matching: Tensor


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
        teacher: Teacher | None = None,
    ) -> None:
        self.model = model
        self._train, self._dev = train, dev
        self._settings, self._teacher = settings, teacher

    @property
    def items(self) -> int:
        """The number of training items."""
        return len(self._train)

    def losses(self, indices: Tensor) -> dict[str, Tensor]:
        """Compute the losses of a batch by name."""
        draws, languages = torch.rand(len(indices), DRAWS), torch.randint(0, 2, (len(indices),))
        losses, *_ = self._step(indices, augmented(self._train, indices, draws, self._settings), languages)
        return losses

    def compare(self, indices: Tensor) -> Comparison:
        """Run student and teacher on the same views: similarities, matches, and the vectors themselves."""
        assert self._teacher is not None  # noqa: S101
        views, languages = self._teacher.choose(indices), torch.randint(0, 2, (len(indices),))
        pixels = augmented(self._train, indices, views.draws, self._settings)
        losses, student, pairs = self._step(indices, pixels, languages)
        teacher = self._teacher.answers(indices, views, pixels, languages, pairs)
        scales = (self.model.log_scale.exp(), self._teacher.scale)
        return Comparison(losses, _logits(student, teacher, scales), _vectors(student, teacher))

    def _step(
        self, indices: Tensor, pixels: Tensor, languages: Tensor
    ) -> tuple[dict[str, Tensor], Answers, Pairs]:
        model, data = self.model, self._train
        image_tokens, image = model.image_encoder(pixels.to(model.device))
        text_tokens, text, mask = self._read(data.titles, languages, indices)
        _, translation, _ = self._read(data.titles, 1 - languages, indices)
        facets = [self._read(facet.texts, languages, indices)[1] for facet in data.facets]
        here = torch.ones(len(indices), 1, device=model.device)
        product = model.joint(image, translation, here, here)
        everyone = distributed.gather(indices)
        pairs = self._pairs(image, text, indices)
        matching = model.fusion.logit(image_tokens[pairs.photo], text_tokens[pairs.title], mask[pairs.title])
        image, text, *facets = map(distributed.gather, (image, text, *facets))
        answers = Answers(image, text, facets, matching)
        relevance = self._relevance(everyone)
        scale = model.log_scale
        losses = {
            "title": contrastive_loss(answers.image, answers.text, scale, relevance),
            "product": 0.5 * contrastive_loss(distributed.gather(product), answers.text, scale, relevance),
            "matching": functional.binary_cross_entropy_with_logits(matching, pairs.labels),
        }
        for number, (facet, query) in enumerate(zip(data.facets, answers.facets, strict=True)):
            agreement = facet.agreement(everyone.cpu()).to(model.device)
            losses[f"facet {number}"] = facet.weight * contrastive_loss(
                answers.image, query, scale, agreement
            )
        return losses, answers, pairs

    def _read(self, texts: Texts, languages: Tensor, indices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ids, mask = (part.to(self.model.device) for part in texts.draw(languages, indices))
        return *self.model.text_encoder(ids, mask), mask

    def _relevance(self, indices: Tensor) -> Tensor:
        indices = indices.cpu()
        relevance = self._train.positives(indices).float()
        for facet in self._train.facets:
            relevance = relevance + facet.kinship * facet.agreement(indices)
        return relevance.to(self.model.device)

    def _pairs(self, image: Tensor, text: Tensor, indices: Tensor) -> Pairs:
        """Pair each photo with its own text and a confusable one, and each text with a confusable photo."""
        positives = self._train.positives(indices).to(image.device)
        similarity = self.model.log_scale.exp() * image @ text.T
        wrong_text = sample_hard_negatives(similarity, positives)
        wrong_image = sample_hard_negatives(similarity.T, positives)
        own = torch.arange(len(image), device=image.device)
        labels = torch.cat([torch.ones(len(image)), torch.zeros(2 * len(image))]).to(image.device)
        return Pairs(torch.cat([own, own, wrong_image]), torch.cat([own, wrong_text, own]), labels)

    def evaluate(self, model: ProductModel) -> dict[str, float]:
        """Measure a model on the dev part: mAP of title to photo, and the AUC of matching."""
        embedded = embed(model, self._dev, self._settings)
        scores, labels = match_scores(model, embedded, self._dev)
        return {"title_map": title_map(embedded, self._dev), "match_auc": area_under_roc(scores, labels)}

    def calibrate(self, model: ProductModel) -> dict[str, float]:
        """Fit the match score's temperature and bias on the dev part, as many right pairs as wrong ones."""
        logits, labels = match_logits(model, embed(model, self._dev, self._settings), self._dev)
        slope, bias = fit_platt(logits, labels)
        model.fusion.temperature.fill_(1 / slope)
        model.fusion.bias.fill_(bias)
        accuracy = float(((slope * logits + bias > 0) == labels).mean())
        return {"temperature": 1 / slope, "bias": bias, "match_accuracy": accuracy}


def augmented(data: ProductData, indices: Tensor, draws: Tensor, settings: ImageSettings) -> Tensor:
    """Make the encoder's input (n, 3, size, size) from random views of the chosen photos."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (settings.pixel_mean, settings.pixel_std))
    views = PhotoAugmentation()(data.photos[indices], settings.image_size, draws)
    return ((views - mean) / std).contiguous(memory_format=torch.channels_last)


def _logits(
    student: Answers, teacher: Answers, scales: tuple[Tensor, Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Pair up what both say, (rows, classes): similarities in both directions, and match or no match."""

    def rows(answers: Answers, scale: Tensor) -> dict[str, Tensor]:
        similarity = scale * answers.image.float() @ answers.text.float().T
        match = torch.stack([torch.zeros_like(answers.matching), answers.matching], dim=1)
        return {"image to text": similarity, "text to image": similarity.T, "matching": match}

    found = zip(rows(student, scales[0]).items(), rows(teacher, scales[1]).values(), strict=True)
    return {name: (first, second) for (name, first), second in found}


def _vectors(student: Answers, teacher: Answers) -> dict[str, tuple[Tensor, Tensor]]:
    pairs = {"image": (student.image, teacher.image), "text": (student.text, teacher.text)}
    facets = zip(student.facets, teacher.facets, strict=True)
    return pairs | {f"facet {number}": pair for number, pair in enumerate(facets)}
