"""Weights of torchvision's models: from its hub, or from a file in its format."""

from __future__ import annotations

import pickle
import urllib.error
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torchvision.models import get_model_weights

from trifuse.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLASSIFIER = "fc."


def load_weights(source: str, part: str) -> dict[str, Tensor]:
    """Load weights by torchvision's model name, or from a .pth file, for a part of a system.

    The classifier's weights are left out. Raises ArtifactError when the weights cannot be had.
    """
    try:
        if source.endswith((".pth", ".pt")):
            weights = torch.load(source, map_location="cpu", weights_only=True)
        else:
            weights = get_model_weights(source).DEFAULT.get_state_dict(progress=True, check_hash=True)
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError, urllib.error.URLError) as error:
        raise ArtifactError(
            f"the weights {source!r} cannot be loaded",
            got=error,
            expected="a torchvision model whose weights can be downloaded, or a .pth file of one",
            hint=f"Without network, copy the file here and pass --checkpoint {part}=FILE.pth",
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ArtifactError(f"{source} holds no state dict", got=type(weights).__name__)
    return {name: tensor for name, tensor in weights.items() if not name.startswith(_CLASSIFIER)}


def load_backbone(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load weights into a model of their size. Raises ArtifactError for other kinds, such as wide ones."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise ArtifactError(
            f"these weights are of another kind of {type(model).__name__}",
            got=lines[min(1, len(lines) - 1)].strip(),
        ) from error
