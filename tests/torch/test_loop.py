"""The training loop on a task small enough to compute by heart: a line through noisy points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from trifuse.training.loop import Trainer
from trifuse.training.recipe import TrainingRecipe

RECIPE = TrainingRecipe(
    epochs=12, batch_size=8, learning_rate=0.05, ema_decay=0.9, evaluate_every=2, patience=100
)


class Line:
    """Fits y = 3x − 1; `interrupt_at` raises inside an epoch, as a kill would end it."""

    selection_metric = "score"
    steps_per_epoch = 8

    def __init__(self, interrupt_at: int | None = None) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.1), nn.Tanh(), nn.Linear(8, 1))
        self._interrupt_at = interrupt_at
        self.scores: list[float] | None = None

    def batches(self, epoch: int) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(epoch)
        for step in range(self.steps_per_epoch):
            if epoch == self._interrupt_at and step == 3:
                raise KeyboardInterrupt
            yield torch.rand(8, 1, generator=generator)

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        return {"squared": (self.model(batch) - (3 * batch - 1)).square().mean()}

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        model.eval()
        x = torch.linspace(0, 1, 50)[:, None]
        score = -float((model(x) - (3 * x - 1)).square().mean())
        return {"score": self.scores.pop(0) if self.scores else score}

    def calibrate(self, model: nn.Module) -> dict[str, float]:
        return {}


def test_training_reaches_the_line(tmp_path: Path) -> None:
    outcome = Trainer(Line(), RECIPE, tmp_path / "state.pt").run()
    first, best = outcome["history"][0]["score"], outcome["metrics"]["score"]
    assert best > first / 4
    assert best == max(row["score"] for row in outcome["history"])


@pytest.mark.parametrize("interrupt_at", [3, 6, 11])
def test_an_interrupted_run_ends_where_the_whole_one_does(tmp_path: Path, interrupt_at: int) -> None:
    whole = Line()
    expected = Trainer(whole, RECIPE, tmp_path / "whole.pt").run()
    with pytest.raises(KeyboardInterrupt):
        Trainer(Line(interrupt_at), RECIPE, tmp_path / "state.pt").run()
    resumed = Line()
    outcome = Trainer(resumed, RECIPE, tmp_path / "state.pt").run()
    assert outcome == expected
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name


def test_training_stops_when_it_no_longer_improves(tmp_path: Path) -> None:
    task = Line()
    task.scores = [0.5, 0.7, 0.6, 0.6, 0.6, 0.6]
    recipe = TrainingRecipe(epochs=12, batch_size=8, learning_rate=0.05, evaluate_every=2, patience=2)
    outcome = Trainer(task, recipe, tmp_path / "state.pt").run()
    assert (outcome["epoch"], outcome["metrics"]) == (4, {"score": 0.7})
    assert len(outcome["history"]) == 4
