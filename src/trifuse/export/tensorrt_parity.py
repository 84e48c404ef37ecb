"""How far a part's form for GPUs is from the exported part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnxruntime

from trifuse.errors import ToleranceError
from trifuse.export.runtime import OnnxModel
from trifuse.export.tensorrt_forms import INT8

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract


class Runnable(Protocol):
    """An ONNX Runtime session, or what takes its place."""

    def run(self, names: None, arrays: Mapping[str, NDArray[np.generic]]) -> list[NDArray[Any]]:
        """Run a batch; returns the outputs in the model's order."""


class FormModel(OnnxModel):
    """A system's parts, each run by a session of its own or by a plan, as callables on torch tensors."""

    def __init__(self, contract: SystemContract, sessions: Mapping[str, Runnable]) -> None:
        super().__init__(contract, {})
        self._sessions = dict(sessions)


def open_form(path: Path) -> Any:
    """Open a form for GPUs on the CPU, to compare it.

    ONNX Runtime 1.32's further fusions for CPUs end the process on some half-precision files and refuse some
    int8 files.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def relative_difference(
    exported: Runnable, form: Runnable, arrays: Mapping[str, NDArray[np.generic]]
) -> float:
    """Give the largest difference of any output in one batch and item by item, per its largest magnitude."""
    one = {name: array[:1] for name, array in arrays.items()}
    return max(
        float(np.abs(found - expected).max() / max(np.abs(expected).max(), np.finfo(np.float32).tiny))
        for batch in (arrays, one)
        for expected, found in zip(exported.run(None, batch), form.run(None, batch), strict=True)
    )


def check_difference(part: str, precision: str, difference: float, tolerance: float) -> None:
    """Refuse a form that is too far from the exported part. Raises ToleranceError.

    What int8 may cost is told by the quality of the whole system and not by single outputs, so that these
    only have to be numbers.
    """
    limit = np.inf if precision == INT8 else tolerance
    if not (np.isfinite(difference) and difference <= limit):
        raise ToleranceError(
            f"the {precision} form of {part} differs too much from its export in ONNX Runtime",
            got=f"{difference:.2e} of an output's largest magnitude",
            expected=f"at most {limit:.0e}",
            hint="Build it with --precision fp32, or raise the recipe's quantization.tolerance",
        )
