"""What a training run leaves on disk while it goes: its checkpoint and its TensorBoard log."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Self

import torch
from torch.utils.tensorboard import SummaryWriter

from trifuse.artifacts import write_file
from trifuse.training import distributed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

_LOG_EVERY_STEPS = 10


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a run, complete or not at all; the main process does it for all."""
    if distributed.is_main():
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        write_file(path, buffer.getvalue())


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read the state of a run that was killed; an empty one when there is none."""
    if not path.is_file():
        return {}
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return state


class TrainingLog:
    """Losses and metrics by step for TensorBoard; a resumed run takes back what it repeats."""

    def __init__(self, folder: Path, first_step: int) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=first_step) if distributed.is_main() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer:
            self._writer.close()

    def losses(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Log a step's losses, not of every step: reading a value waits for the device."""
        if step % _LOG_EVERY_STEPS == 0:
            self._write("loss", step, {name: float(loss.detach()) for name, loss in losses.items()})

    def metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log an evaluation."""
        self._write("dev", step, metrics)

    def _write(self, group: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if self._writer:
                self._writer.add_scalar(f"{group}/{name}", value, step)
