"""Pruning of the product models: sizes, what stays, what is kept, and that the file really gets smaller."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from trifuse.compression.prune import prune
from trifuse.compression.rebuild import load_resized
from trifuse.contracts import SystemContract
from trifuse.export.cost import cost
from trifuse.export.parity import largest_difference
from trifuse.export.to_onnx import export_part
from trifuse.systems.product.model import ProductModel, build_model, export_cases, prunables
from trifuse.training.recipe import BertRecipe

ARCHITECTURE = {
    "image": {"block": "bottleneck", "depths": (1, 2, 1, 1), "width": 32},
    "text": BertRecipe(layers=2, hidden=64, heads=4, feed_forward=128).config(200),
    "fusion": {"width": 128, "heads": 4, "feed_forward": 256},
}
HEAD = 16
PARTS = ("image_encoder", "text_encoder", "fusion")


def _model(contract: SystemContract) -> ProductModel:
    """Build the models with random weights; the blocks' last scales are not zero, as after training."""
    torch.manual_seed(0)
    model = build_model(contract, ARCHITECTURE).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bn3.weight"):
            nn.init.ones_(parameter)
    return model


def _prune(contract: SystemContract, model: ProductModel, *shares: float) -> ProductModel:
    """Prune to each of the shares in turn, the heads all in the first step, as the stage does."""
    original = build_model(contract, ARCHITECTURE)
    for step, remaining in enumerate(shares):
        for part in prunables(contract, model, ARCHITECTURE):
            prune(
                part, original.get_submodule(part.name), remaining, head_ratio=0 if step else 1 - shares[-1]
            )
    return model


@pytest.fixture(scope="module")
def whole(contract: SystemContract) -> ProductModel:
    return _model(contract)


@pytest.fixture(scope="module")
def half(contract: SystemContract) -> ProductModel:
    return _prune(contract, _model(contract), 0.5)


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _outputs(module: nn.Module, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
    with torch.inference_mode():
        found = module(*inputs.values())
    return found if isinstance(found, tuple) else (found,)


def test_half_of_the_channels_go(whole: ProductModel, half: ProductModel) -> None:
    before, after = (
        {name: m.out_channels for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}
        for model in (whole, half)
    )
    assert after == {name: channels // 2 for name, channels in before.items()}
    # 1 of the stem, 3 of each of the 5 blocks, and their 4 shortcuts.
    assert len(before) == 1 + 3 * 5 + 4


def test_half_of_the_heads_and_units_go(half: ProductModel) -> None:
    for layer in half.text_encoder.backbone.encoder.layer:
        attention = layer.attention.self
        assert {part.out_features for part in (attention.query, attention.key, attention.value)} == {2 * HEAD}
        assert (attention.num_attention_heads, attention.attention_head_size) == (2, HEAD)
        assert layer.intermediate.dense.weight.shape == (64, 64)
        assert layer.output.dense.weight.shape == (64, 64)
    assert half.fusion.attention.feed_forward[0].weight.shape == (128, 128)
    assert half.fusion.attention.feed_forward[2].weight.shape == (128, 128)


@pytest.mark.parametrize("shares", [(0.75, 0.5), (0.75, 0.625, 0.5)], ids=["two steps", "three steps"])
def test_several_steps_end_at_the_sizes_of_one(
    contract: SystemContract, half: ProductModel, shares: tuple[float, ...]
) -> None:
    assert _shapes(_prune(contract, _model(contract), *shares)) == _shapes(half)


def test_a_step_alone_is_in_between(contract: SystemContract) -> None:
    model = _prune(contract, _model(contract), 0.75)
    assert model.image_encoder.backbone.layer4[0].conv1.out_channels == 256 * 3 // 4
    assert model.text_encoder.backbone.encoder.layer[0].intermediate.dense.out_features == 128 * 3 // 4


@pytest.mark.parametrize("name", PARTS)
def test_what_other_parts_consume_stays(contract: SystemContract, half: ProductModel, name: str) -> None:
    part = contract.model(name)
    for inputs in export_cases(contract, name, ARCHITECTURE):
        batch, length = len(next(iter(inputs.values()))), inputs.get("attention_mask", torch.empty(0, 0))
        outputs = _outputs(half.get_submodule(name), inputs)
        for spec, output in zip(part.outputs, outputs, strict=True):
            dims = [length.shape[1] if dim == -1 else dim for dim in spec.dims]
            assert list(output.shape) == [batch, *dims], spec.name
            assert output.isfinite().all()


@pytest.mark.parametrize("name", PARTS)
def test_a_pruned_model_is_rebuilt_bit_for_bit(
    contract: SystemContract, half: ProductModel, name: str
) -> None:
    rebuilt = build_model(contract, ARCHITECTURE)
    load_resized(rebuilt, copy.deepcopy(half.state_dict()))
    inputs = next(export_cases(contract, name, ARCHITECTURE))
    for expected, found in zip(
        _outputs(half.get_submodule(name), inputs),
        _outputs(rebuilt.eval().get_submodule(name), inputs),
        strict=True,
    ):
        assert torch.equal(expected, found)


@pytest.mark.parametrize(
    ("name", "macs_left"),
    # Halving the channels of both sides of a convolution leaves a quarter of it; the projections to the
    # contract's 256 stay whole.
    [("image_encoder", 0.3), ("text_encoder", 0.8), ("fusion", 0.85)],
)
def test_the_onnx_file_gets_smaller_and_computes_what_torch_does(
    tmp_path: Path,
    contract: SystemContract,
    whole: ProductModel,
    half: ProductModel,
    name: str,
    macs_left: float,
) -> None:
    cases = list(export_cases(contract, name, ARCHITECTURE))
    sizes, costs = [], []
    for number, model in enumerate((whole, half)):
        module, path = model.get_submodule(name), tmp_path / f"{number}.onnx"
        export_part(module, contract.model(name), cases[0], path, contract)
        assert largest_difference(module, path, cases, 2e-4) < 2e-4
        sizes.append(path.stat().st_size)
        costs.append(cost(module, [tensor[:1] for tensor in cases[0].values()]))
    removed = costs[0].parameters - costs[1].parameters
    assert removed > 0.1 * costs[0].parameters
    assert sizes[0] - sizes[1] == pytest.approx(4 * removed, rel=0.05)
    assert costs[1].macs < macs_left * costs[0].macs


class TestImportance:
    """Of weights that differ in size, the larger ones stay, as they were."""

    def test_units(self, contract: SystemContract) -> None:
        model = _model(contract)
        first, _, second = model.fusion.attention.feed_forward
        _shrink(torch.arange(1, 256, 2), first.weight, first.bias, second.weight.T)
        kept = first.weight[::2].clone(), second.weight[:, ::2].clone()
        _prune(contract, model, 0.5)
        assert torch.equal(first.weight, kept[0])
        assert torch.equal(second.weight, kept[1])

    def test_channels(self, contract: SystemContract) -> None:
        model = _model(contract)
        block = model.image_encoder.backbone.layer2[1]
        _shrink(
            torch.arange(0, 64, 2), block.conv1.weight, block.bn1.weight, block.conv2.weight.transpose(0, 1)
        )
        block.bn1.running_mean.copy_(torch.arange(64))
        _prune(contract, model, 0.5)
        assert block.bn1.running_mean.tolist() == list(range(1, 64, 2))

    def test_heads(self, contract: SystemContract) -> None:
        model = _model(contract)
        layer = model.text_encoder.backbone.encoder.layer[1].attention
        queries = layer.self.query.weight
        units = torch.arange(4 * HEAD).view(4, HEAD)
        projections = [part.weight for part in (layer.self.query, layer.self.key, layer.self.value)]
        _shrink(units[[0, 2]].flatten(), *projections, layer.output.dense.weight.T)
        kept = queries[units[[1, 3]].flatten()].clone()
        _prune(contract, model, 0.5)
        assert torch.equal(layer.self.query.weight, kept)


@torch.no_grad()
def _shrink(rows: Tensor, *tensors: Tensor) -> None:
    for tensor in tensors:
        tensor[rows] *= 0.01


def test_nothing_leaks_from_one_pruning_into_the_next(contract: SystemContract, half: ProductModel) -> None:
    again = _prune(contract, _model(contract), 0.5)
    for name, tensor in half.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
