"""A pruned model comes back from its state dict and the original architecture, bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch_pruning
from torch import Tensor, nn

from trifuse.compression.lstm import prune_lstm
from trifuse.compression.rebuild import load_resized
from trifuse.errors import ArtifactError
from trifuse.models.bert import build_bert
from trifuse.models.resnet import ResNet, ResNetSize
from trifuse.training.recipe import BertRecipe

PIXELS = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(0))
IDS = torch.tensor([[2, 9, 4, 7, 3], [2, 5, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def _resnet() -> ResNet:
    return ResNet(ResNetSize("bottleneck", (1, 1, 1, 1), 8), 56, patch_grid=7).eval()


def _pruned_resnet() -> ResNet:
    """Half of the channels, the output's kept; batch statistics and last scales as after training."""
    torch.manual_seed(0)
    model = _resnet().train()
    for name, parameter in model.named_parameters():
        if name.endswith("bn3.weight"):
            nn.init.ones_(parameter)
    model(PIXELS)
    kept = [model.get_submodule("layer4.0.downsample.0"), model.get_submodule("layer4.0.conv3")]
    torch_pruning.pruner.MagnitudePruner(
        model.eval(),
        PIXELS,
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=0.5,
        ignored_layers=kept,
        in_channel_groups={},
        out_channel_groups={},
    ).step()
    return model


def _bert() -> nn.Module:
    return build_bert(BertRecipe(layers=2, hidden=32, heads=4, feed_forward=64).config(20)).eval()


def _pruned_bert() -> nn.Module:
    """Half of the heads and of the feed-forward units; the residual stream is kept."""
    torch.manual_seed(0)
    model = _bert()
    attention = [module for module in model.modules() if hasattr(module, "attention_head_size")]
    writers = [m for name, m in model.named_modules() if name.endswith("output.dense")]
    torch_pruning.pruner.MagnitudePruner(
        model,
        {"input_ids": IDS, "attention_mask": MASK},
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=0.5,
        head_pruning_ratio=0.5,
        prune_num_heads=True,
        prune_head_dims=False,
        num_heads={part: 4 for module in attention for part in (module.query, module.key, module.value)},
        ignored_layers=[model.get_submodule("embeddings"), *writers],
        output_transform=lambda output: output.last_hidden_state,
        in_channel_groups={},
        out_channel_groups={},
    ).step()
    for module in attention:
        module.num_attention_heads = module.query.out_features // module.attention_head_size
        module.all_head_size = module.query.out_features
    return model


def _states(model: nn.Module) -> Tensor:
    states: Tensor = model(input_ids=IDS, attention_mask=MASK).last_hidden_state
    return states


def _size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def pruned_resnet() -> ResNet:
    return _pruned_resnet()


def test_a_pruned_resnet_comes_back(pruned_resnet: ResNet) -> None:
    rebuilt = _resnet()
    assert _size(pruned_resnet) < 0.4 * _size(rebuilt)
    load_resized(rebuilt, pruned_resnet.state_dict())
    with torch.inference_mode():
        expected, found = pruned_resnet(PIXELS), rebuilt(PIXELS)
    assert expected.std() > 0.01
    assert torch.equal(found, expected)
    assert str(rebuilt) == str(pruned_resnet)


def test_a_pruned_bert_comes_back() -> None:
    pruned, rebuilt = _pruned_bert(), _bert()
    assert pruned.get_submodule("encoder.layer.1.attention.self").num_attention_heads == 2
    assert pruned.get_submodule("encoder.layer.1.intermediate.dense").out_features == 32
    load_resized(rebuilt, pruned.state_dict())
    with torch.inference_mode():
        assert torch.equal(_states(rebuilt), _states(pruned))
    for layer in range(2):
        attention = rebuilt.get_submodule(f"encoder.layer.{layer}.attention.self")
        assert (attention.num_attention_heads, attention.attention_head_size) == (2, 8)
        assert attention.all_head_size == 16


def _small_modules() -> dict[str, tuple[Callable[[int], nn.Module], Tensor]]:
    """Each kind of module at a size, and an input that fits size 6."""
    return {
        "Linear": (lambda size: nn.Linear(size, size - 1), torch.randn(2, 6)),
        "Conv1d": (lambda size: nn.Conv1d(size, size - 1, 3, bias=False), torch.randn(2, 6, 9)),
        "grouped": (lambda size: nn.Conv2d(size, size * 2, 3, groups=2), torch.randn(2, 6, 5, 5)),
        "depthwise": (lambda size: nn.Conv2d(size, size * 2, 3, groups=size), torch.randn(2, 6, 5, 5)),
        "Conv3d": (lambda size: nn.Conv3d(size, 4, (1, 3, 3)), torch.randn(2, 6, 2, 5, 5)),
        "BatchNorm": (nn.BatchNorm2d, torch.randn(2, 6, 3, 3)),
        "BatchNorm, no scales": (lambda size: nn.BatchNorm1d(size, affine=False), torch.randn(2, 6)),
        "LayerNorm": (nn.LayerNorm, torch.randn(2, 6)),
        "Embedding": (lambda size: nn.Embedding(7, size), torch.tensor([0, 6])),
        "LSTM": (lambda size: nn.LSTM(4, size, 2, bidirectional=True), torch.randn(3, 2, 4)),
        "LSTM inputs": (lambda size: nn.LSTM(size, 3), torch.randn(3, 2, 6)),
    }


@pytest.mark.parametrize("kind", _small_modules())
def test_every_kind_of_module_is_resized(kind: str) -> None:
    build, inputs = _small_modules()[kind]
    smaller, rebuilt = build(6).eval(), build(8).eval()
    load_resized(rebuilt, smaller.state_dict())
    assert str(rebuilt) == str(smaller)
    with torch.inference_mode():
        expected, found = smaller(inputs), rebuilt(inputs)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert all(parameter.requires_grad for parameter in rebuilt.parameters())


def test_a_pruned_lstm_comes_back() -> None:
    lstm = nn.LSTM(5, 12, 2, bidirectional=True)
    smaller = prune_lstm(lstm, 0.5).lstm
    load_resized(lstm, smaller.state_dict())
    sequences = torch.randn(4, 2, 5)
    assert torch.equal(lstm(sequences)[0], smaller(sequences)[0])


def test_frozen_weights_stay_frozen_and_keep_their_precision() -> None:
    model = nn.Linear(8, 8, dtype=torch.float64).requires_grad_(False)
    load_resized(model, nn.Linear(3, 2).state_dict())
    assert not model.weight.requires_grad
    assert model.weight.dtype is torch.float64


def test_missing_and_unknown_names_are_refused(pruned_resnet: ResNet) -> None:
    state = pruned_resnet.state_dict()
    with pytest.raises(ArtifactError, match=r"has tensors that the model lacks: got fc\.weight"):
        load_resized(_resnet(), {**state, "fc.weight": torch.zeros(2, 2)})
    del state["layer1.0.bn1.bias"]
    with pytest.raises(ArtifactError, match=r"lacks tensors of the model: got layer1\.0\.bn1\.bias"):
        load_resized(_resnet(), state)


def _refused(model: nn.Module, changes: dict[str, Tensor], message: str) -> None:
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ArtifactError, match=message):
        load_resized(model, {**before, **changes})
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_shapes_that_do_not_fit_are_refused_and_change_nothing() -> None:
    sequence = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Conv2d(4, 4, 3, groups=2))
    _refused(sequence, {"0.weight": torch.zeros(2, 4)}, r"0 \(Linear\) cannot have the sizes")
    _refused(sequence, {"0.weight": torch.zeros(2, 4, 1), "0.bias": torch.zeros(2)}, r"0 \(Linear\)")
    _refused(sequence, {"1.running_var": torch.zeros(2)}, r"1 \(BatchNorm1d\)")
    _refused(sequence, {"2.weight": torch.zeros(4, 2, 5, 5)}, r"2 \(Conv2d\)")
    _refused(sequence, {"2.weight": torch.zeros(3, 2, 3, 3), "2.bias": torch.zeros(3)}, r"2 \(Conv2d\)")
    _refused(nn.LSTM(4, 6), {"weight_hh_l0": torch.zeros(12, 3)}, r"the model \(LSTM\)")
    attention = nn.MultiheadAttention(8, 2)
    _refused(attention, {"in_proj_weight": torch.zeros(12, 8)}, r"the model \(MultiheadAttention\)")


def test_half_a_head_is_refused() -> None:
    part = "encoder.layer.0.attention.self"
    changes = {f"{part}.{name}.weight": torch.zeros(20, 32) for name in ("query", "key", "value")}
    _refused(
        _bert(), changes, r"heads of encoder\.layer\.0\.attention\.self .*projections to 20, expected .* 8"
    )
    _refused(_bert(), {f"{part}.key.weight": torch.zeros(16, 32)}, r"projections to 16, 32")
