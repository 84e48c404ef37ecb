"""A pruned LSTM computes what the original computes once the removed units are dead."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from trifuse.compression.lstm import PrunedLSTM, prune_lstm
from trifuse.errors import ConfigurationError
from trifuse.export.parity import largest_difference

INPUTS, UNITS, OUTPUTS = 5, 12, 3
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}
KINDS = {
    "one layer": {},
    "two layers": {"num_layers": 2},
    "bidirectional": {"bidirectional": True},
    "two bidirectional layers": {"num_layers": 2, "bidirectional": True},
    "without bias": {"num_layers": 2, "bias": False},
    "time first": {"batch_first": False},
}


def _model(dtype: torch.dtype = torch.float64, **kind: bool | int) -> tuple[nn.LSTM, nn.Linear]:
    torch.manual_seed(0)
    lstm = nn.LSTM(INPUTS, UNITS, **{"batch_first": True, **kind}, dtype=dtype)
    return lstm, nn.Linear(UNITS * (2 if lstm.bidirectional else 1), OUTPUTS, dtype=dtype)


def _with_dead_units(lstm: nn.LSTM, pruned: PrunedLSTM) -> nn.LSTM:
    """Zero the gate rows and biases of the removed units: c = 0.5 c + 0.5 tanh(0) stays 0, and so does h."""
    dead = copy.deepcopy(lstm)
    for layer, directions in enumerate(pruned.kept):
        for suffix, units in zip(("", "_reverse"), directions, strict=False):
            removed = torch.ones(lstm.hidden_size, dtype=torch.bool).index_fill(0, units, False)
            for name, parameter in dead.named_parameters():
                if name.split("_l")[1] == f"{layer}{suffix}":
                    parameter.data[removed.repeat(4)] = 0
    return dead


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_pruning_is_exact(kind: dict[str, bool | int], dtype: torch.dtype) -> None:
    lstm, consumer = _model(dtype, **kind)
    pruned = prune_lstm(lstm, 0.5, consumer=consumer)
    sequences = 5 * torch.randn(4, 9, INPUTS, dtype=dtype)
    with torch.inference_mode():
        expected_states, (expected_last, _) = _with_dead_units(lstm, pruned)(sequences)
        states, (last, _) = pruned.lstm(sequences)
        expected, found = consumer(expected_states), pruned.prune_consumer(consumer)(states)
    assert expected_states.abs().max() > 0.05
    close = {"rtol": 0, "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(states, expected_states[..., pruned.columns], **close)
    torch.testing.assert_close(found, expected, **close)
    for direction, units in enumerate(pruned.kept[-1], start=last.shape[0] - len(pruned.kept[-1])):
        torch.testing.assert_close(last[direction], expected_last[direction][:, units], **close)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_pruning_is_exact_on_packed_sequences(dtype: torch.dtype) -> None:
    lstm, consumer = _model(dtype, num_layers=2, bidirectional=True)
    pruned = prune_lstm(lstm, 0.5, consumer=consumer)
    packed = pack_padded_sequence(
        torch.randn(3, 7, INPUTS, dtype=dtype),
        torch.tensor([2, 7, 4]),
        batch_first=True,
        enforce_sorted=False,
    )
    with torch.inference_mode():
        expected, _ = pad_packed_sequence(_with_dead_units(lstm, pruned)(packed)[0], batch_first=True)
        states, lengths = pad_packed_sequence(pruned.lstm(packed)[0], batch_first=True)
    assert lengths.tolist() == [2, 7, 4]
    torch.testing.assert_close(states, expected[..., pruned.columns], rtol=0, atol=TOLERANCE[dtype])


def test_it_is_really_smaller_and_the_original_stays() -> None:
    lstm, consumer = _model(num_layers=2, bidirectional=True)
    before = copy.deepcopy(lstm.state_dict())
    pruned = prune_lstm(lstm, 0.5, consumer=consumer)
    assert pruned.lstm.hidden_size == UNITS // 2
    assert _size(pruned.lstm) < 0.4 * _size(lstm)
    assert _size(pruned.prune_consumer(consumer)) == UNITS * OUTPUTS + OUTPUTS
    assert all(torch.equal(lstm.state_dict()[name], tensor) for name, tensor in before.items())


def test_settings_and_mode_are_kept() -> None:
    lstm, _ = _model(torch.float32, num_layers=2, dropout=0.25, bias=False)
    smaller = prune_lstm(lstm.eval(), 0.5).lstm
    assert (smaller.dropout, smaller.bias, smaller.batch_first, smaller.training) == (
        0.25,
        False,
        True,
        False,
    )
    assert smaller.weight_hh_l1.dtype is torch.float32


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


ROWS, COLUMN, REVERSE_COLUMN = 7 + UNITS * torch.arange(4), (slice(None), 7), (slice(None), UNITS + 7)
PLACES = {
    "input rows": ("lstm.weight_ih_l0", ROWS, 0, 0),
    "recurrent rows": ("lstm.weight_hh_l0", ROWS, 0, 0),
    "recurrent column": ("lstm.weight_hh_l1_reverse", COLUMN, 1, 1),
    "input bias": ("lstm.bias_ih_l0_reverse", ROWS, 0, 1),
    "recurrent bias": ("lstm.bias_hh_l1", ROWS, 1, 0),
    "next layer": ("lstm.weight_ih_l1", COLUMN, 0, 0),
    "next layer, reverse": ("lstm.weight_ih_l1", REVERSE_COLUMN, 0, 1),
    "consumer": ("consumer.weight", COLUMN, 1, 0),
    "consumer, reverse": ("consumer.weight", REVERSE_COLUMN, 1, 1),
}


@pytest.mark.parametrize(("name", "index", "layer", "direction"), PLACES.values(), ids=PLACES)
def test_a_unit_with_large_weights_stays_wherever_they_are(
    name: str, index: Tensor | tuple[slice, int], layer: int, direction: int
) -> None:
    lstm, consumer = _model(num_layers=2, bidirectional=True)
    model = nn.ModuleDict({"lstm": lstm, "consumer": consumer})
    for parameter in model.parameters():
        parameter.data.mul_(0.1)
    model.get_parameter(name).data[index] += 1
    pruned = prune_lstm(lstm, 0.95, consumer=consumer)
    assert pruned.kept[layer][direction].tolist() == [7]


def test_the_columns_are_those_of_both_directions() -> None:
    lstm, _ = _model(bidirectional=True)
    pruned = prune_lstm(lstm, 0.75)
    forward, reverse = (units.tolist() for units in pruned.kept[0])
    assert len(forward) == len(reverse) == 3
    assert pruned.columns.tolist() == sorted(forward) + [UNITS + unit for unit in sorted(reverse)]


def test_ratio_0_changes_nothing() -> None:
    lstm, consumer = _model(torch.float32, num_layers=2, bidirectional=True)
    pruned = prune_lstm(lstm, 0, round_to=8, consumer=consumer)
    assert all(torch.equal(a, b) for a, b in zip(lstm.parameters(), pruned.lstm.parameters(), strict=True))
    assert torch.equal(pruned.prune_consumer(consumer).weight, consumer.weight)


@pytest.mark.parametrize(
    ("units", "ratio", "round_to", "kept"),
    [(12, 0.5, 4, 8), (12, 0.5, 1, 6), (100, 0.29, 1, 71), (12, 0.999999, 1, 1), (12, 0.3, 8, 12)],
)
def test_the_number_of_units(units: int, ratio: float, round_to: int, kept: int) -> None:
    assert prune_lstm(nn.LSTM(2, units), ratio, round_to=round_to).lstm.hidden_size == kept


def test_a_layer_norm_keeps_its_scales_and_normalises_what_remains() -> None:
    lstm, _ = _model()
    norm = nn.LayerNorm(UNITS, dtype=torch.float64)
    nn.init.normal_(norm.weight)
    pruned = prune_lstm(lstm, 0.5)
    smaller, kept = pruned.prune_consumer(norm), pruned.columns
    states = torch.randn(2, UNITS // 2, dtype=torch.float64)
    expected = nn.functional.layer_norm(states, (UNITS // 2,), norm.weight[kept], norm.bias[kept])
    torch.testing.assert_close(smaller(states), expected)
    assert norm.weight.shape == (UNITS,)


@pytest.mark.parametrize("ratio", [-0.1, 1, 1.5, float("nan")])
def test_an_impossible_ratio_is_refused(ratio: float) -> None:
    with pytest.raises(ConfigurationError, match=f"ratio is impossible: got {ratio}"):
        prune_lstm(_model()[0], ratio)


def test_rounding_to_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="round_to=0"):
        prune_lstm(_model()[0], 0.5, round_to=0)


def test_projections_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="proj_size=3"):
        prune_lstm(nn.LSTM(INPUTS, UNITS, proj_size=3), 0.5)


def test_a_layer_that_reads_something_else_is_refused() -> None:
    lstm, consumer = _model(bidirectional=True)
    with pytest.raises(ConfigurationError, match=r"got \(12,\), expected \(24,\)"):
        prune_lstm(lstm, 0.5, consumer=nn.Linear(UNITS, OUTPUTS))
    with pytest.raises(ConfigurationError, match=r"got \(12,\), expected \(24,\)"):
        prune_lstm(lstm, 0.5, consumer=consumer).prune_consumer(nn.LayerNorm(UNITS))


class _Tagger(nn.Module):
    def __init__(self, lstm: nn.LSTM, head: nn.Linear) -> None:
        super().__init__()
        self.lstm, self.head = lstm, head

    def forward(self, sequences: Tensor) -> Tensor:
        tags: Tensor = self.head(self.lstm(sequences)[0])
        return tags


def test_onnx_runtime_agrees_at_every_length(tmp_path: Path) -> None:
    lstm, consumer = _model(torch.float32, num_layers=2, bidirectional=True)
    pruned = prune_lstm(lstm, 0.5, consumer=consumer)
    tagger = _Tagger(pruned.lstm, pruned.prune_consumer(consumer)).eval()
    path = tmp_path / "tagger.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            tagger,
            (torch.randn(2, 6, INPUTS),),
            dynamo=True,
            opset_version=21,
            external_data=False,
            input_names=["sequences"],
            dynamic_shapes=[{0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}],
            verbose=False,
        )
    assert program is not None
    program.save(path)
    cases = [{"sequences": torch.randn(batch, steps, INPUTS)} for batch, steps in ((1, 1), (2, 6), (5, 40))]
    assert largest_difference(tagger, path, cases, 1e-5) < 1e-5
