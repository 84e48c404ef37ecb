"""Run the torch models over held-out items, with the preprocessing that serving uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from trifuse.preprocessing.image import normalise
from trifuse.training.metrics import average_precision

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from trifuse.preprocessing.image import ImageSettings
    from trifuse.systems.product.data import ProductData
    from trifuse.systems.product.model import ProductModel

_BATCH = 64


@dataclass(frozen=True)
class Embedded:
    """Outputs of both encoders; the text tensors have a leading language axis."""

    image_tokens: Tensor
    image: Tensor
    text_tokens: Tensor
    text: Tensor


@torch.inference_mode()
def embed(model: ProductModel, data: ProductData, settings: ImageSettings) -> Embedded:
    """Embed all items; the data's photos must have the encoder's size."""
    model.eval()
    images, texts = [], []
    for start in range(0, len(data), _BATCH):
        chunk = slice(start, start + _BATCH)
        images.append(model.image_encoder(pixels(data.photos[chunk], settings)))
        languages = [
            model.text_encoder(ids[chunk], mask[chunk])
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
        order = (text[queries] @ embedded.image.T).argsort(dim=1, descending=True, stable=True)
        values.append(average_precision(torch.gather(relevant[queries], 1, order).numpy()).mean())
    return float(np.mean(values))


@torch.inference_mode()
def match_logits(
    model: ProductModel, embedded: Embedded, data: ProductData
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Score every item with its own title and with one wrong title, in both languages: (logits, labels)."""
    generator = torch.Generator().manual_seed(0)
    wrong = (~data.positives(torch.arange(len(data)))).float() + 1e-12
    own = torch.arange(len(data))
    logits = []
    for language in range(len(embedded.text)):
        for titles in (own, torch.multinomial(wrong, 1, generator=generator)[:, 0]):
            mask = data.titles.attention_mask[language][titles]
            logits.append(
                model.fusion.logit(embedded.image_tokens, embedded.text_tokens[language][titles], mask)
            )
    labels = np.repeat([True, False] * len(embedded.text), len(data))
    return torch.cat(logits).numpy(), labels
