"""The surveillance models: what is missing says nothing, padding does not leak, and the sizes are right."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import torchvision

from trifuse import systems
from trifuse.compression.prune import prune
from trifuse.compression.rebuild import load_resized
from trifuse.errors import ArtifactError
from trifuse.models.r3d import R3D, R3DSize, size_of
from trifuse.models.r3d_frames import FramewiseR3D
from trifuse.models.torchvision_weights import load_backbone, load_weights
from trifuse.systems.surveillance.contract import DECISIONS, MODALITIES
from trifuse.systems.surveillance.model import SurveillanceModel, build_model, export_cases, prunables
from trifuse.systems.surveillance.recipe import recipe
from trifuse.systems.surveillance.training import architecture

CONTRACT = systems.contract("surveillance", "smoke")
RECIPE = recipe("smoke")
ARCHITECTURE = architecture(RECIPE, RECIPE.teacher)


@pytest.fixture(scope="module")
def model() -> SurveillanceModel:
    """Random weights; no block is the identity, as after training."""
    torch.manual_seed(0)
    model = build_model(CONTRACT, ARCHITECTURE).eval()
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def example(part: str) -> dict[str, torch.Tensor]:
    return next(export_cases(CONTRACT, part, ARCHITECTURE, batches=(6,)))


@torch.inference_mode()
def decide(model: SurveillanceModel, **changed: torch.Tensor) -> torch.Tensor:
    return torch.cat(model.fusion(*(example("fusion") | changed).values())[:2], dim=1)


def test_outputs_have_the_contracts_shapes(model: SurveillanceModel) -> None:
    for part in CONTRACT.parts:
        inputs = example(part.name)
        with torch.inference_mode():
            outputs = model.get_submodule(part.name)(*inputs.values())
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for spec, output in zip(part.outputs, outputs, strict=True):
            assert output.shape == (6, *spec.dims), spec.name


@pytest.mark.parametrize(
    ("column", "tensor"), list(enumerate(("video_tokens", "audio_tokens", "text_tokens", "evidence")))
)
def test_a_modality_counts_if_and_only_if_it_is_there(
    model: SurveillanceModel, column: int, tensor: str
) -> None:
    present = torch.ones(6, len(MODALITIES))
    other = example("fusion")[tensor].flip(0) + 1
    there = (decide(model, present=present) - decide(model, present=present, **{tensor: other})).abs()
    assert there.amax(dim=1).min() > 1e-5
    present[:, column] = 0
    torch.testing.assert_close(
        decide(model, present=present), decide(model, present=present, **{tensor: other}), rtol=0, atol=0
    )


def test_a_missing_modality_is_not_a_silent_one(model: SurveillanceModel) -> None:
    here, gone = torch.ones(6, len(MODALITIES)), torch.ones(6, len(MODALITIES))
    gone[:, 1] = 0
    silence = torch.zeros_like(example("fusion")["audio_tokens"])
    difference = decide(model, present=here, audio_tokens=silence) - decide(
        model, present=gone, audio_tokens=silence
    )
    assert difference.abs().amax(dim=1).min() > 1e-6


def test_a_window_without_anything_has_finite_scores(model: SurveillanceModel) -> None:
    assert decide(model, present=torch.zeros(6, len(MODALITIES))).isfinite().all()


def test_what_comes_after_the_end_of_a_sound_does_not_count(model: SurveillanceModel) -> None:
    inputs = example("audio_encoder")
    lengths = torch.tensor([[5], [20], [40], [63], [1], [0]])
    changed = inputs["mfcc"].clone()
    for row, length in enumerate(lengths[:, 0].tolist()):
        changed[row, length:] = 99.0
    with torch.inference_mode():
        first, second = (model.audio_encoder(mfcc, lengths) for mfcc in (inputs["mfcc"], changed))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_the_order_of_frames_counts(model: SurveillanceModel) -> None:
    pixels = example("video_encoder")["pixel_values"]
    with torch.inference_mode():
        forward, backward = (model.video_encoder(clip) for clip in (pixels, pixels.flip(2)))
    assert (forward - backward).abs().amax(dim=(1, 2)).min() > 1e-3


def test_half_of_everything_is_pruned_and_can_be_loaded_again(model: SurveillanceModel) -> None:
    smaller = copy.deepcopy(model)
    for part in prunables(CONTRACT, smaller, ARCHITECTURE):
        prune(part, model.get_submodule(part.name), 0.5, head_ratio=0.5)
    assert (
        smaller.audio_encoder.backbone.lstm.hidden_size == model.audio_encoder.backbone.lstm.hidden_size // 2
    )
    loaded = build_model(CONTRACT, ARCHITECTURE)
    load_resized(loaded, smaller.state_dict())
    loaded.eval()
    for part in CONTRACT.parts:
        inputs = example(part.name)
        with torch.inference_mode():
            found = [net.get_submodule(part.name)(*inputs.values()) for net in (smaller, loaded)]
        assert sum(p.numel() for p in smaller.get_submodule(part.name).parameters()) < sum(
            p.numel() for p in model.get_submodule(part.name).parameters()
        )
        torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
        torch.testing.assert_close(next(spec.dims[-1] for spec in part.outputs), _last(found[0]))


def _last(outputs: torch.Tensor | tuple[torch.Tensor, ...]) -> int:
    return (outputs if isinstance(outputs, torch.Tensor) else outputs[0]).shape[-1]


def test_decisions_are_abnormal_and_the_events() -> None:
    assert ("abnormal", *CONTRACT.settings["events"]) == DECISIONS  # type: ignore[misc]


def test_r3d_18_of_torchvision_loads_and_computes_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.video.r3d_18(weights=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "r3d_18.pth")
    weights = load_weights(str(tmp_path / "r3d_18.pth"), "video_encoder")
    ours = R3D(size_of(weights)).eval()
    load_backbone(ours, weights)
    clip = torch.randn(1, 3, 8, 32, 32)
    with torch.inference_mode():
        expected = theirs.layer4(theirs.layer3(theirs.layer2(theirs.layer1(theirs.stem(clip)))))
        torch.testing.assert_close(ours(clip), expected, rtol=0, atol=0)


def test_training_computes_what_serving_does_over_few_frames_too() -> None:
    """Compare the gradients of training on a CPU with those of eval mode, whose convolutions are torch's."""
    torch.manual_seed(0)
    net = R3D(R3DSize((1, 1, 1, 1), 8)).double()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.eval()
            torch.nn.init.ones_(module.weight)
    clip = torch.randn(2, 3, 8, 32, 32, dtype=torch.float64)
    gradients = []
    for training in (True, False):
        for module in net.modules():
            if isinstance(module, torch.nn.Conv3d):
                module.train(training)
        net.zero_grad()
        net(clip).square().mean().backward()
        gradients.append({name: parameter.grad.clone() for name, parameter in net.named_parameters()})
    torch.testing.assert_close(gradients[0], gradients[1])


def test_the_served_form_of_the_video_encoder_computes_the_same() -> None:
    torch.manual_seed(0)
    net = R3D(R3DSize((2, 1, 1, 2), 8))
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias)
    net(torch.randn(4, 3, 16, 32, 32))
    clips = torch.randn(2, 3, 16, 32, 32)
    with torch.inference_mode():
        expected = net.eval()(clips)
        torch.testing.assert_close(FramewiseR3D(net)(clips), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(net(clips), expected, rtol=0, atol=0)


def test_weights_of_another_video_model_are_refused(tmp_path: Path) -> None:
    torch.save(torchvision.models.video.r2plus1d_18(weights=None).state_dict(), tmp_path / "other.pth")
    weights = load_weights(str(tmp_path / "other.pth"), "video_encoder")
    with pytest.raises(ArtifactError, match="not R3D weights"):
        size_of(weights)
