"""What a system brings to the build chain: new models, and the data to train and measure them with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from trifuse.training.distill import Teachable


@dataclass(frozen=True)
class NewModel:
    """A model before training.

    `architecture` rebuilds it, `assets` are the files that preprocessing needs, by name.
    """

    model: nn.Module
    architecture: dict[str, Any]
    assets: Mapping[str, str]


@dataclass(frozen=True)
class Measured:
    """Quality on held-out data.

    `headline` are the figures that stages are compared by, `queries` the values that their means are made
    of (for paired comparisons), `report` everything.
    """

    headline: dict[str, float]
    queries: dict[str, list[float]]
    report: dict[str, Any]


class Workbench(Protocol):
    """A system's data for training and measuring any of its models."""

    def task(self, model: Any, teacher: Any = None) -> Teachable:
        """Prepare to train a model, alone or with the teacher that `teach` prepared."""

    def teach(self, model: Any, views: int, seed: int, folder: Path) -> Any:
        """Prepare a teacher: with `views` above 0 its answers are kept in the folder, made once."""

    def measure(self, model: Any) -> Measured:
        """Measure a model's parts, torch's or ONNX Runtime's, on the validation part."""

    def samples(self, count: int) -> dict[str, NDArray[np.generic]]:
        """Preprocess training items as the server does: the outputs of the preprocessing step, by name."""
