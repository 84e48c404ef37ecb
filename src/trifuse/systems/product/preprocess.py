"""The product system's preprocessing step: photos and titles to encoder inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from trifuse.errors import InputError
from trifuse.preprocessing.image import ImageSettings, preprocess_image
from trifuse.preprocessing.text import TOKENIZER, TextEncoder, decode_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract


class Preprocessor:
    """Turns a request's photos and texts into the tensors of the contract's preprocessing step."""

    def __init__(self, contract: SystemContract, assets: Path) -> None:
        self._image = ImageSettings.of(contract.settings)
        self._max_text_bytes = cast("int", contract.settings["max_text_bytes"])
        lengths = cast("Sequence[int]", contract.settings["text_lengths"])
        self._text = TextEncoder.load(assets / TOKENIZER, lengths)

    def __call__(
        self, inputs: Mapping[str, NDArray[np.object_]], outputs: Collection[str]
    ) -> dict[str, NDArray[np.generic]]:
        """Compute the named outputs from `image` and `text`, object arrays of bytes (batch, 1).

        An absent input gives zeros (photo) or an empty sequence (text) and a presence of 0.
        Raises InputError, naming the item of the batch that is wrong.
        """
        batch = len(next(iter(inputs.values())))
        made: dict[str, NDArray[np.generic]] = {}
        for modality in ("image", "text"):
            made[f"{modality}_present"] = np.full((batch, 1), modality in inputs, np.float32)
        if "pixel_values" in outputs:
            made["pixel_values"] = self._pixels(inputs.get("image"), batch)
        if "input_ids" in outputs or "attention_mask" in outputs:
            made["input_ids"], made["attention_mask"] = self._tokens(inputs.get("text"), batch)
        return {name: made[name] for name in outputs}

    def _pixels(self, images: NDArray[np.object_] | None, batch: int) -> NDArray[np.float32]:
        size = self._image.image_size
        if images is None:
            return np.zeros((batch, 3, size, size), np.float32)
        pixels = np.empty((batch, 3, size, size), np.float32)
        for index, data in enumerate(images[:, 0]):
            try:
                preprocess_image(data, self._image, pixels[index])
            except InputError as error:
                raise error.located("image", index, batch) from error
        return pixels

    def _tokens(
        self, texts: NDArray[np.object_] | None, batch: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if texts is None:
            return self._text.empty(batch)
        decoded = []
        for index, data in enumerate(texts[:, 0]):
            try:
                decoded.append(decode_text(data, self._max_text_bytes))
            except InputError as error:
                raise error.located("text", index, batch) from error
        return self._text(decoded)
