"""The training loop for one process or many: AdamW, cosine schedule, averaged weights, early stop, resume."""

from __future__ import annotations

import contextlib
import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DistributedSampler

from trifuse.errors import ConfigurationError
from trifuse.training import distributed
from trifuse.training.progress import TrainingLog, load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trifuse.training.recipe import TrainingRecipe

_MOST_UNUSABLE = 10


class Task(Protocol):
    """What a system brings to be trained."""

    selection_metric: str

    @property
    def model(self) -> nn.Module:
        """The model in training."""

    @property
    def items(self) -> int:
        """The number of training items."""

    def losses(self, indices: Tensor) -> dict[str, Tensor]:
        """Compute the losses of a batch of items by name; their sum is minimised.

        Random draws come from torch's default generator, which the loop seeds for every step.
        """

    def evaluate(self, model: Any) -> dict[str, float]:
        """Measure a model on the dev part."""

    def calibrate(self, model: Any) -> dict[str, float]:
        """Fit the model's scores to probabilities on the dev part."""


class Trainer:
    """Trains a task and keeps the averaged weights that were best on the dev part.

    `checkpoint` is written after every epoch, and a run that was killed goes on from there. Every random
    draw and the order of the items follow from the seed, the step and the rank, so that a resumed run ends
    with the bits of an uninterrupted one. TensorBoard files go to the folder `logs`.
    """

    def __init__(
        self, task: Task, recipe: TrainingRecipe, checkpoint: Path, *, seed: int, logs: Path
    ) -> None:
        self._task, self._recipe, self._seed = task, recipe, seed
        self._checkpoint, self._logs = checkpoint, logs
        self._device = distributed.device()
        task.model.to(self._device)
        self._batch = _batch_per_pass(recipe)
        self._sampler: DistributedSampler[int] = DistributedSampler(
            range(task.items),  # type: ignore[arg-type]
            num_replicas=distributed.world_size(),
            rank=distributed.rank(),
            seed=seed,
            drop_last=True,
        )
        self._steps_per_epoch = len(self._sampler) // (self._batch * recipe.accumulate)
        if self._steps_per_epoch == 0:
            raise ConfigurationError(
                "a batch is larger than the training data",
                got=f"{recipe.batch_size} items a batch, {task.items} in all",
                hint="Lower batch_size in the recipe, or train on more data",
            )
        self._total = recipe.epochs * self._steps_per_epoch
        self._losses = _parallel(_Losses(task))
        self._optimiser = torch.optim.AdamW(_parameter_groups(task.model, recipe), lr=recipe.learning_rate)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, self._rate)
        self._average = AveragedModel(
            task.model,
            multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        self._epoch, self._unusable = 0, 0
        self._best: dict[str, Any] = {"value": -math.inf, "epoch": 0, "metrics": {}, "weights": {}}
        self.history: list[dict[str, float]] = []

    def run(self) -> dict[str, Any]:
        """Train; leaves the best weights in the main process's model and returns their epoch and metrics."""
        self._resume()
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        progress = Progress(*columns, disable=not distributed.is_main())
        with progress, TrainingLog(self._logs, self._epoch * self._steps_per_epoch) as log:
            done = self._epoch * self._steps_per_epoch
            bar = progress.add_task("training", total=self._total, completed=done)
            while self._epoch < self._recipe.epochs and not self._stopped_improving():
                self._train_epoch(log, lambda: progress.advance(bar))
                if self._epoch % self._recipe.evaluate_every == 0 or self._epoch == self._recipe.epochs:
                    self._evaluate(log)
                    progress.update(bar, description=self._status())
                self._save()
        if not self.history or not math.isfinite(self._best["value"]):
            raise ConfigurationError(
                "training gave no usable model",
                got=f"{self._task.selection_metric} over the epochs: {self.history}",
                hint="Lower the learning rate, or train for at least one epoch",
            )
        if distributed.is_main():
            self._task.model.load_state_dict(self._best["weights"])
        return {"epoch": self._best["epoch"], "metrics": self._best["metrics"], "history": self.history}

    def _train_epoch(self, log: TrainingLog, advance: Any) -> None:
        self._task.model.train()
        self._sampler.set_epoch(self._epoch)
        order = torch.tensor(list(self._sampler))
        passes = iter(torch.split(order, self._batch))
        for step in range(self._epoch * self._steps_per_epoch, (self._epoch + 1) * self._steps_per_epoch):
            log.losses(step, self._train_step(step, [next(passes) for _ in range(self._recipe.accumulate)]))
            advance()
        self._epoch += 1

    def _train_step(self, step: int, batches: list[Tensor]) -> dict[str, Tensor]:
        self._optimiser.zero_grad()
        for number, batch in enumerate(batches, 1):
            torch.manual_seed(_step_seed(self._seed, step, number, distributed.rank()))
            with self._synchronised(last=number == len(batches)), _fast_arithmetic(self._device):
                losses: dict[str, Tensor] = self._losses(batch)
                loss = torch.stack(list(losses.values())).sum() / len(batches)
                loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._task.model.parameters(), 1.0)
        if self._is_usable(norm, step):
            self._optimiser.step()
            self._average.update_parameters(self._task.model)
        self._schedule.step()
        return losses

    def _is_usable(self, norm: Tensor, step: int) -> bool:
        """Say whether gradients are finite. Raises ConfigurationError when many in a row are not."""
        self._unusable = 0 if torch.isfinite(norm) else self._unusable + 1
        if self._unusable >= _MOST_UNUSABLE:
            raise ConfigurationError(
                "training has diverged",
                got=f"no finite gradient in {_MOST_UNUSABLE} steps, up to step {step + 1} of {self._total}",
                hint="Lower the learning rate in the recipe",
            )
        return not self._unusable

    def _synchronised(self, *, last: bool) -> contextlib.AbstractContextManager[None]:
        """Exchange gradients in the last pass of a step only."""
        if last or not isinstance(self._losses, DistributedDataParallel):
            return contextlib.nullcontext()
        return cast("contextlib.AbstractContextManager[None]", self._losses.no_sync())

    def _evaluate(self, log: TrainingLog) -> None:
        model = self._average.module
        metrics = distributed.share(self._task.evaluate(model) if distributed.is_main() else {})
        self.history.append({"epoch": self._epoch, **metrics})
        log.metrics(self._epoch * self._steps_per_epoch, metrics)
        value = metrics[self._task.selection_metric]
        if value > self._best["value"]:
            weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            self._best = {"value": value, "epoch": self._epoch, "metrics": metrics, "weights": weights}

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
        save_checkpoint(
            self._checkpoint, state | {"epoch": self._epoch, "best": self._best, "history": self.history}
        )

    def _resume(self) -> None:
        state = load_checkpoint(self._checkpoint, self._device)
        if state:
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
            self._epoch, self._best, self.history = state["epoch"], state["best"], state["history"]

    def _parts(self) -> dict[str, Any]:
        return {
            "model": self._task.model,
            "average": self._average,
            "optimiser": self._optimiser,
            "schedule": self._schedule,
        }


class _Losses(nn.Module):
    """A task's losses as a forward pass, which is what DistributedDataParallel can wrap."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.model = task.model
        self._task = task

    def forward(self, indices: Tensor) -> dict[str, Tensor]:
        return self._task.losses(indices)


def _parallel(losses: nn.Module) -> nn.Module:
    if distributed.world_size() == 1:
        return losses
    return DistributedDataParallel(losses)


def _batch_per_pass(recipe: TrainingRecipe) -> int:
    size, rest = divmod(recipe.batch_size, distributed.world_size() * recipe.accumulate)
    if rest:
        raise ConfigurationError(
            "the batch cannot be shared evenly",
            got=f"{recipe.batch_size} items, {distributed.world_size()} processes, "
            f"{recipe.accumulate} passes a step",
            expected="a batch_size that their product divides",
        )
    return size


def _step_seed(seed: int, step: int, number: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, step, number, rank]).generate_state(1, np.uint64)[0] >> 1)


@contextlib.contextmanager
def _fast_arithmetic(device: torch.device) -> Iterator[None]:
    """Compute in bfloat16 where the device does so itself; on a CPU with plain attention."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=native):
            yield
        return
    # On a CPU the fused attention's backward pass is slow (docs/decisions/0004).
    with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", dtype=torch.bfloat16, enabled=native_bfloat16()):
        yield


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
