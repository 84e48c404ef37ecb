"""The learning models: probabilities on an ordinal scale, modalities that count if they are there."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from trifuse import systems
from trifuse.compression.prune import prune
from trifuse.compression.rebuild import load_resized
from trifuse.systems.learning.contract import BEHAVIOURS, LEVELS, MODALITIES
from trifuse.systems.learning.labels import AFFECTS
from trifuse.systems.learning.model import LearningModel, build_model, export_cases, prunables
from trifuse.systems.learning.recipe import recipe
from trifuse.systems.learning.training import architecture

CONTRACT = systems.contract("learning", "smoke")
RECIPE = recipe("smoke")
ARCHITECTURE = architecture(RECIPE, RECIPE.teacher)
FOR_RESEARCH = architecture(replace(RECIPE, affects=True), RECIPE.teacher)


def built(sizes: dict[str, object]) -> LearningModel:
    """Random weights; no block is the identity, as after training."""
    torch.manual_seed(0)
    model = build_model(CONTRACT, sizes).eval()
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


@pytest.fixture(scope="module")
def model() -> LearningModel:
    return built(ARCHITECTURE)


def example(part: str) -> dict[str, torch.Tensor]:
    return next(export_cases(CONTRACT, part, ARCHITECTURE, batches=(6,)))


@torch.inference_mode()
def told(model: LearningModel, **changed: torch.Tensor) -> torch.Tensor:
    return torch.cat(model.fusion(*(example("fusion") | changed).values()), dim=1)


def test_outputs_have_the_contracts_shapes(model: LearningModel) -> None:
    for part in CONTRACT.parts:
        inputs = example(part.name)
        with torch.inference_mode():
            outputs = model.get_submodule(part.name)(*inputs.values())
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for spec, output in zip(part.outputs, outputs, strict=True):
            assert output.shape == (6, *spec.dims), spec.name


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (4.0, -2.0), (0.1, 3.0)])
def test_behaviours_and_levels_are_probabilities_however_calibrated(slope: float, shift: float) -> None:
    model = built(ARCHITECTURE)
    model.fusion.slope.fill_(slope)
    model.fusion.shift.fill_(shift)
    found = told(model)
    assert (found >= 0).all()
    torch.testing.assert_close(found[:, : len(BEHAVIOURS)].sum(dim=1), torch.ones(6))
    torch.testing.assert_close(found[:, len(BEHAVIOURS) :].sum(dim=1), torch.ones(6))


@pytest.mark.parametrize(
    ("column", "tensor"), list(enumerate(("video_tokens", "audio_tokens", "text_tokens")))
)
def test_a_modality_counts_if_and_only_if_it_is_there(model: LearningModel, column: int, tensor: str) -> None:
    present = torch.ones(6, len(MODALITIES))
    other = example("fusion")[tensor].flip(0) + 1
    there = (told(model, present=present) - told(model, present=present, **{tensor: other})).abs()
    assert there.amax(dim=1).min() > 1e-5
    present[:, column] = 0
    torch.testing.assert_close(
        told(model, present=present), told(model, present=present, **{tensor: other}), rtol=0, atol=0
    )


def test_affects_are_learned_only_where_the_recipe_says_so_and_never_told(model: LearningModel) -> None:
    assert not RECIPE.affects
    assert not model.fusion.affects
    research = built(FOR_RESEARCH)
    inputs = example("fusion").values()
    with torch.inference_mode():
        assert model.fusion.logits(*inputs).shape[1] == len(BEHAVIOURS) + len(LEVELS) - 1
        assert research.fusion.logits(*inputs).shape[1] == len(BEHAVIOURS) + (1 + len(AFFECTS)) * (
            len(LEVELS) - 1
        )
        assert len(research.fusion(*inputs)) == len(CONTRACT.model("fusion").outputs)


def test_half_of_everything_is_pruned_and_can_be_loaded_again(model: LearningModel) -> None:
    smaller = copy.deepcopy(model)
    for part in prunables(CONTRACT, smaller, ARCHITECTURE):
        prune(part, model.get_submodule(part.name), 0.5, head_ratio=0.5)
    loaded = build_model(CONTRACT, ARCHITECTURE)
    load_resized(loaded, smaller.state_dict())
    loaded.eval()
    for part in CONTRACT.parts:
        inputs = example(part.name)
        with torch.inference_mode():
            found = [net.get_submodule(part.name)(*inputs.values()) for net in (smaller, loaded)]
        sizes = [
            sum(p.numel() for p in net.get_submodule(part.name).parameters()) for net in (smaller, model)
        ]
        assert sizes[0] < sizes[1]
        torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
