from __future__ import annotations

import numpy as np
import pytest
import torch

from trifuse.training.augmentation import DRAWS, PhotoAugmentation
from trifuse.training.calibration import fit_platt
from trifuse.training.losses import contrastive_loss, sample_hard_negatives
from trifuse.training.metrics import area_under_roc, average_precision, precision_at, r_precision

UNIT = torch.nn.functional.normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
SCALE = torch.tensor(2.0)


def test_the_contrastive_loss_with_one_positive_is_cross_entropy() -> None:
    logits = SCALE.exp() * UNIT @ UNIT.flip(1).T
    labels = torch.arange(6)
    expected = (
        torch.nn.functional.cross_entropy(logits, labels)
        + torch.nn.functional.cross_entropy(logits.T, labels)
    ) / 2
    torch.testing.assert_close(contrastive_loss(UNIT, UNIT.flip(1), SCALE, torch.eye(6)), expected)


def test_a_second_positive_is_not_pushed_away() -> None:
    first, second = UNIT.clone(), UNIT.clone()
    first[1], second[1] = first[0], second[0]
    positives = torch.eye(6)
    alone = contrastive_loss(first, second, SCALE * 2, positives)
    positives[0, 1] = positives[1, 0] = 1
    assert contrastive_loss(first, second, SCALE * 2, positives) < alone + 1e-6
    gradient = torch.autograd.functional.jacobian(
        lambda x: contrastive_loss(x, second, SCALE, positives), first
    )
    assert torch.isfinite(gradient).all()


def test_hard_negatives_are_never_positives_and_prefer_the_similar() -> None:
    similarity = torch.zeros(4, 4)
    similarity[:, 3] = 3
    positives = torch.eye(4).bool()
    positives[0, 3] = positives[3, 0] = True
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([sample_hard_negatives(similarity, positives, generator) for _ in range(400)])
    for row in range(4):
        assert not positives[row][drawn[:, row]].any()
    assert (drawn[:, 1] == 3).float().mean() > 0.8


def test_platt_recovers_the_true_sigmoid() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 20_000).astype(np.float32)
    labels = rng.random(20_000) < 1 / (1 + np.exp(-(0.7 * logits - 0.5)))
    slope, bias = fit_platt(logits, labels)
    assert slope == pytest.approx(0.7, abs=0.03)
    assert bias == pytest.approx(-0.5, abs=0.05)


def test_platt_stays_finite_on_separable_scores() -> None:
    logits = np.array([-2, -1, 1, 2], np.float32)
    slope, bias = fit_platt(logits, logits > 0)
    assert 0 < slope < 10
    assert abs(bias) < 1e-3


def test_ranking_metrics_by_hand() -> None:
    relevant = np.array([[1, 0, 1, 0], [0, 0, 0, 1]], dtype=bool)
    np.testing.assert_allclose(precision_at(relevant, 2), [0.5, 0.0])
    np.testing.assert_allclose(r_precision(relevant), [0.5, 0.0])
    np.testing.assert_allclose(average_precision(relevant), [(1 + 2 / 3) / 2, 0.25])


def test_auc_counts_ties_half() -> None:
    assert area_under_roc(np.array([0.1, 0.9]), np.array([False, True])) == 1.0
    assert area_under_roc(np.array([0.5, 0.5, 0.5]), np.array([False, True, False])) == 0.5
    assert area_under_roc(np.array([3.0, 1, 2, 1]), np.array([True, False, False, True])) == pytest.approx(
        0.625
    )


def _views(photos: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    return PhotoAugmentation()(photos, 56, draws)


def test_augmentation_is_decided_by_its_draws() -> None:
    photos = torch.randint(
        0, 255, (5, 3, 64, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    draws = torch.rand(2, 5, DRAWS, generator=torch.Generator().manual_seed(1))
    first = _views(photos, draws[0])
    assert first.shape == (5, 3, 56, 56)
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, _views(photos, draws[0]))
    differences = (first - _views(photos, draws[1])).abs().amax(dim=(1, 2, 3))
    assert differences.min() > 0.1


def test_a_view_depends_on_its_own_photo_and_draws_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    photos = torch.randint(0, 255, (6, 3, 64, 48), dtype=torch.uint8, generator=generator)
    draws = torch.rand(6, DRAWS, generator=generator)
    picked = torch.tensor([4, 1])
    torch.testing.assert_close(_views(photos[picked], draws[picked]), _views(photos, draws)[picked])
