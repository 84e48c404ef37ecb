"""Run the models over held-out items, with the preprocessing that serving uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import nn

from trifuse.preprocessing.image import normalise
from trifuse.systems.product.quality import match_pairs
from trifuse.training.metrics import average_precision

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from trifuse.preprocessing.image import ImageSettings
    from trifuse.systems.product.data import ProductData
    from trifuse.systems.product.model import ProductModel

_BATCH = 64
_PAIRS = 256


@dataclass(frozen=True)
class Embedded:
    """Outputs of both encoders; the text tensors have a leading language axis."""

    image_tokens: Tensor
    image: Tensor
    text_tokens: Tensor
    text: Tensor


class Parts(Protocol):
    """The parts as callables, whether torch runs them or ONNX Runtime."""

    @property
    def device(self) -> torch.device:
        """Where their inputs must be."""

    @property
    def image_encoder(self) -> Callable[..., Any]:
        """Pixels to (tokens, embedding)."""

    @property
    def text_encoder(self) -> Callable[..., Any]:
        """Ids and mask to (tokens, embedding)."""

    @property
    def fusion(self) -> Callable[..., Any]:
        """Image tokens, text tokens and mask to (match score, fused)."""


@torch.inference_mode()
def embed(model: Parts, data: ProductData, settings: ImageSettings) -> Embedded:
    """Embed all items; the data's photos must have the encoder's size, and a torch model is set to eval."""
    if isinstance(model, nn.Module):
        model.eval()
    images, texts = [], []
    for start in range(0, len(data), _BATCH):
        chunk = slice(start, start + _BATCH)
        images.append(model.image_encoder(pixels(data.photos[chunk], settings).to(model.device)))
        languages = [
            model.text_encoder(ids[chunk].to(model.device), mask[chunk].to(model.device))
            for ids, mask in zip(data.titles.input_ids, data.titles.attention_mask, strict=True)
        ]
        texts.append([torch.stack(part) for part in zip(*languages, strict=True)])
    image_tokens, image = (torch.cat(part) for part in zip(*images, strict=True))
    text_tokens, text = (torch.cat(part, dim=1) for part in zip(*texts, strict=True))
    return Embedded(image_tokens, image, text_tokens, text)


def pixels(photos: Tensor, settings: ImageSettings) -> Tensor:
    """Turn decoded photos (n, 3, size, size) into the encoder's input, bit for bit as Triton does."""
    rows = photos.permute(0, 2, 3, 1).numpy()
    normalised = torch.from_numpy(np.stack([normalise(row, settings) for row in rows]))
    return normalised.contiguous(memory_format=torch.channels_last)


def title_map(embedded: Embedded, data: ProductData) -> float:
    """Compute the mean average precision of finding the photos of a title, over both languages."""
    relevant = data.positives(torch.arange(len(data)))
    queries = torch.from_numpy(np.unique(data.keys[:, 1].numpy(), return_index=True)[1])
    values = []
    for text in embedded.text:
        order = (text[queries] @ embedded.image.T).cpu().argsort(dim=1, descending=True, stable=True)
        values.append(average_precision(torch.gather(relevant[queries], 1, order).numpy()).mean())
    return float(np.mean(values))


def match_scores(
    model: Parts, embedded: Embedded, data: ProductData
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Score every item with its own title and with one wrong title, in both languages: (scores, labels)."""
    return _match(lambda *tensors: model.fusion(*tensors)[0][:, 0], embedded, data)


def match_logits(
    model: ProductModel, embedded: Embedded, data: ProductData
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Score the pairs of `match_scores` before calibration: (logits, labels)."""
    return _match(model.fusion.logit, embedded, data)


@torch.inference_mode()
def _match(
    score: Callable[[Tensor, Tensor, Tensor], Tensor], embedded: Embedded, data: ProductData
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    pairs, labels = match_pairs(data.items)
    scores = []
    for chunk in torch.split(torch.from_numpy(pairs), _PAIRS, dim=1):
        language, photo, title = chunk
        mask = data.titles.attention_mask[language, title].to(embedded.image.device)
        tokens = embedded.text_tokens[language, title]
        scores.append(score(embedded.image_tokens[photo], tokens, mask).cpu())
    return torch.cat(scores).numpy(), labels
