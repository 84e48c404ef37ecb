"""Distillation: the loss by hand, and a student that is its own teacher, which costs nothing."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trifuse.stages.chain import TRAIN, Build, load_model, read_assets
from trifuse.systems.product.model import ProductModel
from trifuse.systems.product.task import Answers, ProductTask
from trifuse.systems.product.teacher import CachedTeacher, LiveTeacher
from trifuse.training.distill import Comparison, DistillationTask, distillation_losses, soft_loss
from trifuse.training.recipe import DistillationRecipe
from trifuse.training.workbench import Workbench

GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER = (4 * torch.randn(2, 5, 7, generator=GENERATOR)).unbind()
RECIPE = DistillationRecipe(temperature=3.0, alpha=0.3, feature_weight=2.0)
VIEWS = 3
ITEMS = torch.tensor([3, 0, 41, 17, 60, 2, 28, 9])


def _log_softmax(logits: Tensor, temperature: float) -> np.ndarray:
    scaled = logits.double().numpy() / temperature
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_soft_loss_is_the_formula(temperature: float) -> None:
    teacher, student = (_log_softmax(logits, temperature) for logits in (TEACHER, STUDENT))
    divergence = (np.exp(teacher) * (teacher - student)).sum(axis=1).mean()
    expected = temperature**2 * divergence
    assert float(soft_loss(STUDENT, TEACHER, temperature)) == pytest.approx(expected, rel=1e-5)


def test_equal_logits_cost_nothing_whatever_their_level() -> None:
    assert abs(float(soft_loss(TEACHER + 5, TEACHER, 3.0))) < 1e-6
    assert float(soft_loss(STUDENT, TEACHER, 3.0)) > 0.1


def test_the_gradient_leads_to_the_teacher_and_none_reaches_it() -> None:
    student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    soft_loss(student, teacher, 3.0).backward()
    assert teacher.grad is None
    # The derivative of T² KL is T (student's − teacher's probabilities), averaged over the rows.
    expected = 3 * (torch.softmax(STUDENT / 3, 1) - torch.softmax(TEACHER / 3, 1)) / len(STUDENT)
    torch.testing.assert_close(student.grad, expected)


def test_the_weights_are_as_documented() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 2.0], [3.0, 1.0]])
    comparison = Comparison(
        hard={"a": torch.tensor(2.0), "b": torch.tensor(5.0)},
        logits={"rows": (STUDENT, TEACHER)},
        features={"vector": vectors},
    )
    losses = {name: float(loss) for name, loss in distillation_losses(comparison, RECIPE).items()}
    soft = float(soft_loss(STUDENT, TEACHER, 3.0))
    expected = {"a": 0.7 * 2, "b": 0.7 * 5, "soft rows": 0.3 * soft, "feature vector": 2 * (4 + 9) / 2}
    assert losses == pytest.approx(expected)


class Taught(NamedTuple):
    bench: Workbench
    model: ProductModel
    cached: CachedTeacher
    live: LiveTeacher
    cache: Path


@pytest.fixture(scope="module")
def lesson(taught: Build, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """A teacher's two forms over the training data; its answers are as distinct as after a long training."""
    bench = taught.workbench(taught.trained_on(), read_assets(taught.folder(TRAIN)))
    model, folder = load_model(taught, TRAIN), tmp_path_factory.mktemp("cache")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bn3.weight"):
                parameter.fill_(1)
            elif name.startswith("text_encoder.backbone") and parameter.ndim == 2:
                parameter.mul_(15)
    cached, live = (bench.teach(model, views, 7, folder) for views in (VIEWS, 0))
    (cache,) = folder.iterdir()
    return Taught(bench, model, cached, live, cache)


def _compare(lesson: Taught, student: nn.Module, teacher: object) -> dict[str, Tensor]:
    """Compute the distillation's losses of a batch, all draws from one seed."""
    torch.manual_seed(0)
    return DistillationTask(lesson.bench.task(student, teacher), RECIPE).losses(ITEMS)


@pytest.mark.parametrize("form", ["cached", "live"])
def test_a_student_that_is_its_teacher_pays_for_its_labels_only(lesson: Taught, form: str) -> None:
    losses = _compare(lesson, lesson.model, getattr(lesson, form))
    for name, loss in losses.items():
        if name.startswith(("soft", "feature")):
            assert abs(loss.item()) < 1e-4, name
        else:
            assert loss.item() > 0.1, name
    assert {name.split()[0] for name in losses} == {
        "title",
        "product",
        "matching",
        "facet",
        "soft",
        "feature",
    }


@pytest.mark.parametrize("form", ["cached", "live"])
def test_another_student_pays_and_only_it_learns(lesson: Taught, form: str) -> None:
    student = copy.deepcopy(lesson.model)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.mul_(1 + 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    losses = _compare(lesson, student, getattr(lesson, form))
    assert min(loss.item() for name, loss in losses.items() if "feature" in name) > 1e-3
    assert min(loss.item() for name, loss in losses.items() if "soft" in name) > 1e-4
    torch.stack(list(losses.values())).sum().backward()
    assert all(parameter.grad is None for parameter in lesson.model.parameters())
    assert all(parameter.grad is not None for parameter in student.parameters())


def test_both_forms_answer_the_same_to_the_same_views(lesson: Taught) -> None:
    answers: list[Answers] = []

    class Recording(LiveTeacher):
        """Looks at the views that the cached teacher chose, and keeps what either answers."""

        def __init__(self) -> None:
            self.scale = lesson.live.scale

        def choose(self, indices: Tensor) -> object:
            return lesson.cached.choose(indices)

        def answers(self, *given: Tensor) -> Answers:
            answers.extend(teacher.answers(*given) for teacher in (lesson.cached, lesson.live))
            return answers[0]

    _compare(lesson, lesson.model, Recording())
    cached, live = answers
    assert torch.pdist(live.image).min() > 0.02
    assert torch.pdist(live.text).median() > 0.02
    torch.testing.assert_close(cached.image, live.image, atol=1e-5, rtol=0)
    torch.testing.assert_close(cached.text, live.text, atol=1e-5, rtol=0)
    assert live.matching.std() > 0.02
    # What pairs are judged by is kept in half precision.
    torch.testing.assert_close(cached.matching, live.matching, atol=2e-3, rtol=0)
    for one, other in zip(cached.facets, live.facets, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    torch.testing.assert_close(lesson.cached.scale, lesson.live.scale)
    assert len(live.facets) == 1


def test_a_cached_teacher_has_so_many_views_and_a_live_one_no_two_alike(lesson: Taught) -> None:
    def distinct(teacher: CachedTeacher | LiveTeacher) -> int:
        torch.manual_seed(0)
        return len(torch.cat([teacher.choose(ITEMS[:1]).draws for _ in range(40)]).unique(dim=0))

    assert distinct(lesson.cached) == VIEWS
    assert distinct(lesson.live) == 40


def test_the_cache_is_written_once(lesson: Taught) -> None:
    before = lesson.cache.stat()
    other = copy.deepcopy(lesson.model)
    nn.init.zeros_(other.image_encoder.projection.weight)
    again = lesson.bench.teach(other, VIEWS, 7, lesson.cache.parent)
    after = lesson.cache.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    losses = (_compare(lesson, lesson.model, teacher) for teacher in (lesson.cached, again))
    first, second = ({name: loss.item() for name, loss in found.items()} for found in losses)
    assert first == second


def test_a_student_is_measured_as_its_task_measures_it(lesson: Taught) -> None:
    task = lesson.bench.task(lesson.model, lesson.cached)
    distilled = DistillationTask(task, replace(RECIPE, alpha=0.9))
    assert isinstance(task, ProductTask)
    assert (distilled.items, distilled.selection_metric) == (task.items, "title_map")
    assert distilled.evaluate(lesson.model) == task.evaluate(lesson.model)
