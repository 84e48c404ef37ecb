"""The training loop: AdamW, cosine schedule with warm-up, averaged weights, early stop, resume."""

from __future__ import annotations

import functools
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from trifuse.artifacts import write_file
from trifuse.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trifuse.training.recipe import TrainingRecipe


class Task(Protocol):
    """What a system brings to be trained."""

    steps_per_epoch: int
    selection_metric: str

    @property
    def model(self) -> nn.Module:
        """The model in training."""

    def batches(self, epoch: int) -> Iterator[Any]:
        """Yield the batches of an epoch; the epoch decides every random draw."""

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Compute the batch's losses by name; their sum is minimised."""

    def evaluate(self, model: Any) -> dict[str, float]:
        """Measure a model on the dev part."""

    def calibrate(self, model: Any) -> dict[str, float]:
        """Fit the model's scores to probabilities on the dev part."""


class Trainer:
    """Trains a task and keeps the averaged weights that were best on the dev part.

    A run that was killed goes on from its last evaluation when `checkpoint` exists.
    """

    def __init__(self, task: Task, recipe: TrainingRecipe, checkpoint: Path) -> None:
        self._task, self._recipe, self._checkpoint = task, recipe, checkpoint
        self._total = recipe.epochs * task.steps_per_epoch
        self._optimiser = torch.optim.AdamW(_parameter_groups(task.model, recipe), lr=recipe.learning_rate)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, self._rate)
        self._average = AveragedModel(
            task.model,
            multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        self._epoch = 0
        self._best: dict[str, Any] = {"value": -math.inf, "epoch": 0, "metrics": {}, "weights": {}}
        self.history: list[dict[str, float]] = []

    def run(self) -> dict[str, Any]:
        """Train; leaves the best weights in the task's model and returns their epoch and metrics."""
        torch.manual_seed(self._recipe.seed)
        self._resume()
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns) as progress:
            bar = progress.add_task(
                "training", total=self._total, completed=self._epoch * self._task.steps_per_epoch
            )
            while self._epoch < self._recipe.epochs and not self._stopped_improving():
                self._train_epoch(lambda: progress.advance(bar))
                if self._epoch % self._recipe.evaluate_every == 0 or self._epoch == self._recipe.epochs:
                    self._evaluate()
                    progress.update(bar, description=self._status())
        if not self._best["weights"]:
            raise ConfigurationError(
                "training gave no usable model",
                got=f"{self._task.selection_metric} over the epochs: {self.history}",
                hint="Lower the learning rate, or train for at least one epoch",
            )
        self._task.model.load_state_dict(self._best["weights"])
        return {"epoch": self._best["epoch"], "metrics": self._best["metrics"], "history": self.history}

    def _train_epoch(self, advance: Any) -> None:
        self._task.model.train()
        for batch in self._task.batches(self._epoch):
            self._train_step(batch)
            advance()
        self._epoch += 1

    def _train_step(self, batch: Any) -> None:
        # On a CPU the fused attention's backward pass is slow (docs/decisions/0004).
        with sdpa_kernel(SDPBackend.MATH):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=native_bfloat16()):
                loss = torch.stack(list(self._task.losses(batch).values())).sum()
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._task.model.parameters(), 1.0)
        self._optimiser.step()
        self._schedule.step()
        self._average.update_parameters(self._task.model)

    def _evaluate(self) -> None:
        metrics = self._task.evaluate(self._average.module)
        self.history.append({"epoch": self._epoch, **metrics})
        value = metrics[self._task.selection_metric]
        if value > self._best["value"]:
            weights = {name: tensor.clone() for name, tensor in self._average.module.state_dict().items()}
            self._best = {"value": value, "epoch": self._epoch, "metrics": metrics, "weights": weights}
        self._save()

    def _stopped_improving(self) -> bool:
        return bool(self._epoch - self._best["epoch"] >= self._recipe.patience * self._recipe.evaluate_every)

    def _status(self) -> str:
        metrics = ", ".join(
            f"{name} {value:.3f}" for name, value in self.history[-1].items() if name != "epoch"
        )
        return f"epoch {self._epoch}/{self._recipe.epochs}: {metrics}"

    def _rate(self, step: int) -> float:
        warmup = max(1, round(self._total * self._recipe.warmup_share))
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, self._total - warmup)))

    def _save(self) -> None:
        state = {name: part.state_dict() for name, part in self._parts().items()}
        state |= {
            "epoch": self._epoch,
            "best": self._best,
            "history": self.history,
            "random": torch.get_rng_state(),
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_file(self._checkpoint, buffer.getvalue())

    def _resume(self) -> None:
        if not self._checkpoint.is_file():
            return
        state = torch.load(self._checkpoint, weights_only=True)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self._epoch, self._best, self.history = state["epoch"], state["best"], state["history"]
        torch.set_rng_state(state["random"])

    def _parts(self) -> dict[str, Any]:
        return {
            "model": self._task.model,
            "average": self._average,
            "optimiser": self._optimiser,
            "schedule": self._schedule,
        }


@functools.cache
def native_bfloat16() -> bool:
    """Tell whether this processor computes in bfloat16 itself; elsewhere it would only be slower."""
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and "avx512_bf16" in flags.read_text()


def _parameter_groups(model: nn.Module, recipe: TrainingRecipe) -> list[dict[str, Any]]:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return cast(
        "list[dict[str, Any]]",
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ],
    )
