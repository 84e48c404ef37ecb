"""The training loop on a task small enough to compute by heart: a line through noisy points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from trifuse.errors import ConfigurationError
from trifuse.training import distributed
from trifuse.training.loop import Trainer
from trifuse.training.recipe import TrainingRecipe

STEPS = 8
RECIPE = TrainingRecipe(
    epochs=12, batch_size=8, learning_rate=0.05, ema_decay=0.9, evaluate_every=2, patience=100
)


class Line:
    """Fits y = 3x − 1; `interrupt_at` raises inside that epoch, as a kill would end it."""

    selection_metric = "score"
    items = 8 * STEPS

    def __init__(self, interrupt_at: int | None = None) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.1), nn.Tanh(), nn.Linear(8, 1))
        self.x = torch.rand(self.items, 1, generator=torch.Generator().manual_seed(1))
        self.scores: list[float] | None = None
        self._left = -1 if interrupt_at is None else STEPS * interrupt_at + 3

    def losses(self, indices: Tensor) -> dict[str, Tensor]:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        x = self.x[indices] + 0.01 * torch.randn(len(indices), 1)
        return {"squared": (self.model(x) - (3 * x - 1)).square().mean()}

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        model.eval()
        x = torch.linspace(0, 1, 50)[:, None]
        score = -float((model(x) - (3 * x - 1)).square().mean())
        return {"score": self.scores.pop(0) if self.scores else score}

    def calibrate(self, model: nn.Module) -> dict[str, float]:
        return {}


class ExactLine(Line):
    """The line without anything random."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
        self.x = self.x.double()

    def losses(self, indices: Tensor) -> dict[str, Tensor]:
        x = self.x[indices]
        error = self.model(x) - (3 * x - 1)
        return {"squared": error.square().mean(), "absolute": error.abs().mean()}

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        return {"score": -self.losses(torch.arange(self.items))["squared"].item()}


def _train(task: Line, folder: Path, recipe: TrainingRecipe = RECIPE, seed: int = 0) -> dict[str, Any]:
    return Trainer(task, recipe, folder / "state.pt", seed=seed, logs=folder / "logs").run()


def _assert_equal(first: nn.Module, second: nn.Module) -> None:
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_training_reaches_the_line(tmp_path: Path) -> None:
    outcome = _train(Line(), tmp_path)
    first, best = outcome["history"][0]["score"], outcome["metrics"]["score"]
    assert best > first / 4
    assert best == max(row["score"] for row in outcome["history"])


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    assert _train(Line(), tmp_path / "0") != _train(Line(), tmp_path / "1", seed=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Line, dict[str, Any]]:
    task = Line()
    return task, _train(task, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("interrupt_at", range(RECIPE.epochs))
def test_an_interrupted_run_ends_where_the_whole_one_does(
    tmp_path: Path, whole: tuple[Line, dict[str, Any]], interrupt_at: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        _train(Line(interrupt_at), tmp_path)
    resumed = Line()
    assert _train(resumed, tmp_path) == whole[1]
    _assert_equal(whole[0].model, resumed.model)


def test_a_finished_run_is_not_trained_again(tmp_path: Path, whole: tuple[Line, dict[str, Any]]) -> None:
    _train(Line(), tmp_path)
    again = Line(interrupt_at=0)
    assert _train(again, tmp_path) == whole[1]
    _assert_equal(whole[0].model, again.model)


def test_training_stops_when_it_no_longer_improves(tmp_path: Path) -> None:
    task = Line()
    task.scores = [0.5, 0.7, 0.6, 0.6, 0.6, 0.6]
    outcome = _train(task, tmp_path, replace(RECIPE, patience=2))
    assert (outcome["epoch"], outcome["metrics"]) == (4, {"score": 0.7})
    assert len(outcome["history"]) == 4


@pytest.mark.parametrize("passes", [2, 4])
def test_a_batch_in_several_passes_is_the_batch_in_one(tmp_path: Path, passes: int) -> None:
    once, several = ExactLine(), ExactLine()
    _train(once, tmp_path / "once")
    _train(several, tmp_path / "several", replace(RECIPE, accumulate=passes))
    for name, tensor in once.model.state_dict().items():
        torch.testing.assert_close(several.model.state_dict()[name], tensor, rtol=0, atol=1e-9)


class TestLog:
    def read(self, folder: Path) -> EventAccumulator:
        return EventAccumulator(str(folder / "logs")).Reload()

    def test_losses_and_metrics_can_be_read_back(self, tmp_path: Path) -> None:
        history = _train(Line(), tmp_path)["history"]
        log = self.read(tmp_path)
        assert log.Tags()["scalars"] == ["loss/squared", "dev/score"]
        losses = log.Scalars("loss/squared")
        assert [event.step for event in losses] == list(range(0, RECIPE.epochs * STEPS, 10))
        assert losses[-1].value < losses[0].value / 10
        scores = {event.step: event.value for event in log.Scalars("dev/score")}
        assert scores == pytest.approx({row["epoch"] * STEPS: row["score"] for row in history})

    def test_a_resumed_run_repeats_no_step(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            # Its first step is logged, and then done again.
            _train(Line(interrupt_at=5), tmp_path)
        _train(Line(), tmp_path)
        steps = [event.step for event in self.read(tmp_path).Scalars("loss/squared")]
        assert steps == list(range(0, RECIPE.epochs * STEPS, 10))


class TestBatches:
    def test_more_than_the_data_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="than the training data: got 65 items a batch, 64"):
            _train(Line(), tmp_path, replace(RECIPE, batch_size=65))

    def test_one_that_the_passes_cannot_share_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="got 8 items, 1 processes, 3 passes a step, expected"):
            _train(Line(), tmp_path, replace(RECIPE, accumulate=3))

    def test_every_item_is_seen_once_an_epoch(self, tmp_path: Path) -> None:
        seen: list[int] = []

        class Counting(Line):
            def losses(self, indices: Tensor) -> dict[str, Tensor]:
                seen.extend(indices.tolist())
                return super().losses(indices)

        _train(Counting(), tmp_path, replace(RECIPE, epochs=2))
        first, second = seen[: Line.items], seen[Line.items :]
        assert sorted(first) == sorted(second) == list(range(Line.items))
        assert first != second


def test_a_run_that_diverges_is_an_error_and_no_model(tmp_path: Path) -> None:
    task = Line()
    task.scores = [float("nan")] * 6
    with pytest.raises(ConfigurationError, match="training gave no usable model"):
        _train(task, tmp_path)


class Broken(Line):
    """The line, with a loss that is no number in some steps."""

    def __init__(self, broken: set[int]) -> None:
        super().__init__()
        self._broken, self._step = broken, -1

    def losses(self, indices: Tensor) -> dict[str, Tensor]:
        self._step += 1
        factor = float("nan") if self._step in self._broken else 1.0
        return {name: loss * factor for name, loss in super().losses(indices).items()}


def test_a_step_without_finite_gradients_is_left_out(tmp_path: Path) -> None:
    task = Broken({3, 40, 41})
    outcome = _train(task, tmp_path)
    assert outcome["metrics"]["score"] > -0.05
    assert all(parameter.isfinite().all() for parameter in task.model.parameters())


def test_many_such_steps_in_a_row_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="training has diverged"):
        _train(Broken(set(range(20, 40))), tmp_path)


def test_without_torchrun_there_is_one_process() -> None:
    with distributed.process_group():
        assert (distributed.rank(), distributed.world_size(), distributed.is_main()) == (0, 1, True)
    assert distributed.gather(torch.arange(3)).tolist() == [0, 1, 2]
