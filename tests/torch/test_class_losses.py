"""Losses, calibration and metrics of classes and of ordinal scales, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from trifuse.training.calibration import best_threshold, fit_temperature
from trifuse.training.losses import balanced_cross_entropy, class_balance, ordinal_loss
from trifuse.training.metrics import f1_by_class, quadratic_kappa


def test_rare_classes_weigh_more_and_absent_ones_nothing() -> None:
    labels = torch.tensor([0] * 90 + [1] * 10 + [-1] * 5)
    weights = class_balance(labels, 3)
    assert weights[1] / weights[0] == pytest.approx((1 - 0.999**90) / (1 - 0.999**10), rel=1e-4)
    assert weights[2] == 0
    assert weights.sum() == pytest.approx(2)


def test_windows_without_labels_cost_nothing_and_teach_nothing() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    weights = torch.ones(3)
    labels = torch.tensor([2, -1, 0, -1])
    found = balanced_cross_entropy(logits, labels, weights)
    torch.testing.assert_close(found, functional.cross_entropy(logits[[0, 2]], labels[[0, 2]]))
    found.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert (logits.grad[[1, 3]] == 0).all()
    assert balanced_cross_entropy(logits, torch.full((4,), -1), weights) == 0


def test_the_ordinal_loss_asks_about_every_threshold() -> None:
    logits = torch.tensor([[2.0, -1.0, -3.0], [0.5, 0.0, -0.5]])
    labels = torch.tensor([1, 3])
    asked = functional.binary_cross_entropy_with_logits(
        logits, torch.tensor([[1.0, 0, 0], [1, 1, 1]]), reduction="none"
    ).sum(dim=1)
    torch.testing.assert_close(ordinal_loss(logits, labels, torch.ones(4)), asked.mean())
    uneven = torch.tensor([0.0, 3.0, 0.0, 1.0])
    torch.testing.assert_close(ordinal_loss(logits, labels, uneven), (3 * asked[0] + asked[1]) / 4)
    assert ordinal_loss(logits, torch.tensor([-1, -1]), torch.ones(4)) == 0


def test_a_far_miss_costs_more_than_a_near_one() -> None:
    sure_of_three = torch.tensor([[4.0, 4.0, 4.0]])
    near, far = (ordinal_loss(sure_of_three, torch.tensor([level]), torch.ones(4)) for level in (2, 0))
    assert far > 2.5 * near


def test_temperature_recovers_how_much_too_sure_scores_are() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(20_000, 4)).astype(np.float32) * 1.5
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (shares.cumsum(axis=1) < generator.random((len(shares), 1))).sum(axis=1)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.15)


def test_precision_can_count_more_than_recall() -> None:
    probabilities = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    labels = np.array([True, True, False, False, True, True])
    assert best_threshold(probabilities, labels) == pytest.approx(0.2)
    assert best_threshold(probabilities, labels, 0.5) == pytest.approx(0.75)


def test_f1_by_hand() -> None:
    found, labels = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    assert f1_by_class(found, labels, 3) == {0: pytest.approx(0.5), 1: pytest.approx(0.8)}


@pytest.mark.parametrize(
    ("found", "labels", "kappa"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3], 1.0),
        ([0, 3, 0, 3], [3, 0, 3, 0], -1.0),
        ([2, 2, 2, 2], [0, 1, 2, 3], 0.0),
        ([1, 1, 1], [1, 1, 1], 1.0),
        # Observed disagreement 1 of 4 pairs at distance 1; by chance (weights 0, 1): 2 of 4.
        ([0, 0, 1, 1], [0, 1, 1, 1], 0.5),
    ],
)
def test_quadratic_kappa_by_hand(found: list[int], labels: list[int], kappa: float) -> None:
    assert quadratic_kappa(np.array(found), np.array(labels), 4) == pytest.approx(kappa)
