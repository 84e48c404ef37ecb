"""What a product student learns from: its teacher at work, or the teacher's answers kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import safetensors.torch
import torch
from rich.progress import track

from trifuse.artifacts import write_file
from trifuse.systems.product.task import Answers, Pairs, augmented
from trifuse.training import distributed
from trifuse.training.augmentation import DRAWS

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from trifuse.preprocessing.image import ImageSettings
    from trifuse.systems.product.data import ProductData, Texts
    from trifuse.systems.product.model import ProductModel

_BATCH = 64


@dataclass(frozen=True)
class Views:
    """Which view of each item to look at: `draws` (n, DRAWS) for the augmentation, and its `number` (n,)."""

    draws: Tensor
    number: Tensor


class Teacher(Protocol):
    """Answers for the views that it has the student look at."""

    scale: Tensor

    def choose(self, indices: Tensor) -> Views:
        """Choose a view of each item."""

    def answers(
        self, indices: Tensor, views: Views, pixels: Tensor, languages: Tensor, pairs: Pairs
    ) -> Answers:
        """Embed the views and texts of all processes' batches, and judge the pairs of this one's."""


class LiveTeacher:
    """The teacher's model, run in every step on views that never repeat."""

    def __init__(self, model: ProductModel, data: ProductData) -> None:
        self._model, self._data = model.eval().to(distributed.device()), data
        self.scale = model.log_scale.detach().exp()

    def choose(self, indices: Tensor) -> Views:
        """Draw a fresh view of each item."""
        return Views(torch.rand(len(indices), DRAWS), torch.zeros(len(indices), dtype=torch.int64))

    @torch.no_grad()
    def answers(
        self,
        indices: Tensor,
        views: Views,  # noqa: ARG002
        pixels: Tensor,
        languages: Tensor,
        pairs: Pairs,
    ) -> Answers:
        """Embed the views and texts, and judge the pairs."""
        model, data = self._model, self._data
        image_tokens, image = model.image_encoder(pixels.to(model.device))
        text_tokens, text = _read(model, data.titles, languages, indices)
        facets = [_read(model, facet.texts, languages, indices)[1] for facet in data.facets]
        mask = data.titles.attention_mask[languages, indices].to(model.device)
        matching = model.fusion.logit(image_tokens[pairs.photo], text_tokens[pairs.title], mask[pairs.title])
        image, text, *facets = map(distributed.gather, (image, text, *facets))
        return Answers(image, text, facets, matching)


class CachedTeacher:
    """The teacher's answers for a number of views of every item and for every text, made once.

    The file holds `draws` (views, items, DRAWS), `image` (views, items, 256), `text` and `facet N`
    (languages, items, 256), and for judging pairs `image_tokens` (views, items, patches, 256) and
    `text_tokens` (languages, items, tokens, 256) in half precision.
    """

    def __init__(self, model: ProductModel, data: ProductData, cache: Path) -> None:
        self._fusion, self._data = model.fusion.eval().to(distributed.device()), data
        self._tables = safetensors.torch.load_file(cache)
        self._device = distributed.device()
        self.scale = model.log_scale.detach().exp().to(self._device)

    def choose(self, indices: Tensor) -> Views:
        """Pick one of the known views of each item."""
        number = torch.randint(len(self._tables["draws"]), (len(indices),))
        return Views(self._tables["draws"][number, indices], number)

    @torch.no_grad()
    def answers(
        self,
        indices: Tensor,
        views: Views,
        pixels: Tensor,  # noqa: ARG002
        languages: Tensor,
        pairs: Pairs,
    ) -> Answers:
        """Look up the vectors of the views and of the texts, and judge the pairs."""
        facets = [f"facet {number}" for number in range(len(self._data.facets))]
        vectors = [self._tables[name][languages, indices] for name in ("text", *facets)]
        vectors = [self._tables["image"][views.number, indices], *vectors]
        image, text, *queries = (distributed.gather(part.to(self._device)) for part in vectors)
        image_tokens = self._tables["image_tokens"][views.number, indices].to(self._device).float()
        text_tokens = self._tables["text_tokens"][languages, indices].to(self._device).float()
        mask = self._data.titles.attention_mask[languages, indices].to(self._device)
        title = pairs.title
        matching = self._fusion.logit(image_tokens[pairs.photo], text_tokens[title], mask[title])
        return Answers(image, text, queries, matching)


@torch.inference_mode()
def cache_answers(
    model: ProductModel, data: ProductData, settings: ImageSettings, views: int, seed: int, cache: Path
) -> None:
    """Write the teacher's answers to a file, complete or not at all; one that exists is kept."""
    if cache.is_file():
        return
    model.eval().to(distributed.device())
    draws = torch.rand(views, len(data), DRAWS, generator=torch.Generator().manual_seed(seed))
    chunks = torch.split(torch.arange(len(data)), _BATCH)
    looks = [(view, chunk) for view in draws for chunk in chunks]
    seen = [
        model.image_encoder(augmented(data, chunk, view[chunk], settings).to(model.device))
        for view, chunk in track(looks, "asking the teacher", transient=True)
    ]
    tokens, vectors = zip(*seen, strict=True)
    texts = _all_texts(model, data.titles, chunks)
    patches = torch.cat([part.half() for part in tokens])
    tables = {
        "draws": draws,
        "image": torch.cat(vectors).view(views, len(data), -1),
        "image_tokens": patches.view(views, len(data), *patches.shape[1:]),
        "text": texts[1],
        "text_tokens": texts[0].half(),
    }
    for number, facet in enumerate(data.facets):
        tables[f"facet {number}"] = _all_texts(model, facet.texts, chunks)[1]
    write_file(cache, safetensors.torch.save({name: table.cpu() for name, table in tables.items()}))


def _all_texts(model: ProductModel, texts: Texts, chunks: tuple[Tensor, ...]) -> list[Tensor]:
    """Read all texts: tokens (languages, items, tokens, 256) and vectors (languages, items, 256)."""
    languages = []
    for language in range(len(texts.input_ids)):
        read = [_read(model, texts, torch.full_like(chunk, language), chunk) for chunk in chunks]
        languages.append([torch.cat(part) for part in zip(*read, strict=True)])
    return [torch.stack(part) for part in zip(*languages, strict=True)]


def _read(model: ProductModel, texts: Texts, languages: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    ids, mask = (part.to(model.device) for part in texts.draw(languages, indices))
    tokens, vectors = model.text_encoder(ids, mask)
    return tokens, vectors
