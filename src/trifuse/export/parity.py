"""Proof that an ONNX file computes what its torch module computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from trifuse.errors import ExportError
from trifuse.export.runtime import open_session

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torch import Tensor, nn


def largest_difference(
    module: nn.Module, path: Path, cases: Iterable[dict[str, Tensor]], atol: float
) -> float:
    """Compare ONNX Runtime with torch on every case; returns the largest absolute difference.

    Raises ExportError when it exceeds `atol` or is not a number.
    """
    session = open_session(path)
    worst = 0.0
    for inputs in cases:
        with torch.inference_mode():
            outputs = module(*inputs.values())
        expected = outputs if isinstance(outputs, tuple) else (outputs,)
        found = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
        differences = [np.abs(a - b.numpy()).max() for a, b in zip(found, expected, strict=True)]
        worst = max(worst, *map(float, differences)) if np.all(np.isfinite(differences)) else float("nan")
        if not worst <= atol:
            shapes = {name: tuple(tensor.shape) for name, tensor in inputs.items()}
            raise ExportError(
                f"{path.name} differs from torch at {shapes}",
                got=f"{worst:.2e}",
                expected=f"at most {atol:.0e}",
                hint="Find the operation that exports inexactly, or raise parity_atol in the recipe",
            )
    return worst
