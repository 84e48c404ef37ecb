"""Structured pruning of LSTMs: a unit goes with its rows of all four gates and every column it feeds.

Source: Learning Intrinsic Sparse Structures within LSTM (https://arxiv.org/abs/1709.05027, section 3);
here the units are ranked by the norm of their weights instead of being sparsified in training.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from trifuse.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

Consumer = TypeVar("Consumer", nn.Linear, nn.LayerNorm)

_GATES = 4


@dataclass(frozen=True)
class PrunedLSTM:
    """A smaller LSTM and what it kept of the original.

    `kept` holds, for every layer and in it for every direction (forward, reverse), the original's indices of
    the units that stayed, ascending; `original_size` is the original's hidden_size.
    """

    lstm: nn.LSTM
    kept: tuple[tuple[Tensor, ...], ...]
    original_size: int

    @property
    def columns(self) -> Tensor:
        """The original's output columns that remain, in order: forward units, then reverse units."""
        return _output_columns(self.kept[-1], self.original_size)

    def prune_consumer(self, consumer: Consumer) -> Consumer:
        """Return a copy of the layer that reads the LSTM's output, without the columns that are gone.

        A Linear then computes what it computed while the removed units gave 0. A LayerNorm does not: its mean
        and variance are now those of the remaining features. Raises ConfigurationError for another width.
        """
        _check_consumer(consumer, len(self.kept[-1]) * self.original_size)
        smaller = copy.deepcopy(consumer)
        if isinstance(smaller, nn.Linear):
            smaller.weight = _select(smaller.weight, 1, self.columns)
            smaller.in_features = len(self.columns)
        else:
            for name, parameter in list(smaller.named_parameters()):
                setattr(smaller, name, _select(parameter, 0, self.columns))
            smaller.normalized_shape = (len(self.columns),)
        return smaller


def prune_lstm(
    lstm: nn.LSTM, ratio: float, *, round_to: int = 1, consumer: nn.Linear | None = None
) -> PrunedLSTM:
    """Build an LSTM without the least important units; the given one stays as it is.

    From zero initial states it computes exactly what the original would if those units always gave 0. Every
    layer and direction keeps the same number of units: a share of at least 1 − `ratio`, rounded up to a
    multiple of `round_to`. A unit's importance is the L2 norm of all of its weights, incoming and outgoing,
    those of `consumer`, which reads the output, among them. Raises ConfigurationError for a ratio outside
    [0, 1) and for an LSTM with proj_size.
    """
    _check_request(lstm, ratio, round_to)
    if consumer is not None:
        _check_consumer(consumer, _directions(lstm) * lstm.hidden_size)
    size = _kept_units(lstm.hidden_size, ratio, round_to)
    kept = tuple(_choose(lstm, layer, size, consumer) for layer in range(lstm.num_layers))
    example = lstm.get_parameter("weight_hh_l0")
    smaller = nn.LSTM(
        lstm.input_size,
        size,
        lstm.num_layers,
        bias=lstm.bias,
        batch_first=lstm.batch_first,
        dropout=lstm.dropout,
        bidirectional=lstm.bidirectional,
        device=example.device,
        dtype=example.dtype,
    ).train(lstm.training)
    _copy_weights(lstm, smaller, kept)
    return PrunedLSTM(smaller, kept, lstm.hidden_size)


def _check_request(lstm: nn.LSTM, ratio: float, round_to: int) -> None:
    if not 0 <= ratio < 1:
        raise ConfigurationError("this pruning ratio is impossible", got=ratio, expected="0 ≤ ratio < 1")
    if round_to < 1:
        raise ConfigurationError("units cannot be rounded", got=f"round_to={round_to}", expected="1 or more")
    if lstm.proj_size:
        raise ConfigurationError(
            "an LSTM with projections cannot be pruned by units",
            got=f"proj_size={lstm.proj_size}",
            expected="proj_size=0",
            hint="Use an LSTM without projections, followed by a Linear",
        )


def _check_consumer(consumer: nn.Linear | nn.LayerNorm, width: int) -> None:
    shape = (consumer.in_features,) if isinstance(consumer, nn.Linear) else tuple(consumer.normalized_shape)
    if shape != (width,):
        raise ConfigurationError("this layer does not read the LSTM's output", got=shape, expected=(width,))


def _directions(lstm: nn.LSTM) -> int:
    return 2 if lstm.bidirectional else 1


def _kept_units(hidden_size: int, ratio: float, round_to: int) -> int:
    # 100 × 0.29 is 28.999999999999996 in floating point; 29 units are meant.
    wanted = max(1, hidden_size - math.floor(round(hidden_size * ratio, 6)))
    return min(hidden_size, math.ceil(wanted / round_to) * round_to)


def _choose(lstm: nn.LSTM, layer: int, size: int, consumer: nn.Linear | None) -> tuple[Tensor, ...]:
    """Choose the most important units of a layer, indices in ascending order for each direction."""
    if layer + 1 < lstm.num_layers:
        readers: list[Tensor] = [
            lstm.get_parameter(_name("weight_ih", layer + 1, reverse)) for reverse in range(_directions(lstm))
        ]
    else:
        readers = [] if consumer is None else [consumer.weight]
    scores = (
        _importance(
            lstm, layer, direction, [weight.chunk(_directions(lstm), 1)[direction] for weight in readers]
        )
        for direction in range(_directions(lstm))
    )
    return tuple(score.topk(size).indices.sort().values for score in scores)


@torch.no_grad()
def _importance(lstm: nn.LSTM, layer: int, direction: int, outgoing: list[Tensor]) -> Tensor:
    """Compute the L2 norm of each unit's weights; `outgoing` are (readers, units) matrices."""
    own = {
        kind: lstm.get_parameter(_name(kind, layer, direction)).reshape(_GATES, lstm.hidden_size, -1).square()
        for kind in _kinds(lstm)
    }
    incoming = [weights.sum((0, 2)) for weights in own.values()]
    recurrent = own["weight_hh"]
    # A unit's recurrent weights onto itself lie in its rows and in its columns: they count once.
    to_others = recurrent.sum((0, 1)) - recurrent.diagonal(dim1=1, dim2=2).sum(0)
    beyond = [weight.square().sum(0) for weight in outgoing]
    return torch.stack([*incoming, to_others, *beyond]).sum(0).sqrt()


@torch.no_grad()
def _copy_weights(lstm: nn.LSTM, smaller: nn.LSTM, kept: Sequence[tuple[Tensor, ...]]) -> None:
    inputs = torch.arange(lstm.input_size, device=lstm.get_parameter("weight_ih_l0").device)
    for layer, directions in enumerate(kept):
        for direction, units in enumerate(directions):
            rows = torch.cat([units + gate * lstm.hidden_size for gate in range(_GATES)])
            columns = {"weight_ih": inputs, "weight_hh": units}
            for kind in _kinds(lstm):
                name = _name(kind, layer, direction)
                weights = lstm.get_parameter(name)[rows]
                smaller.get_parameter(name).copy_(weights[:, columns[kind]] if kind in columns else weights)
        inputs = _output_columns(directions, lstm.hidden_size)


def _kinds(lstm: nn.LSTM) -> tuple[str, ...]:
    return ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if lstm.bias else ("weight_ih", "weight_hh")


def _name(kind: str, layer: int, direction: int) -> str:
    return f"{kind}_l{layer}{'_reverse' if direction else ''}"


def _output_columns(kept: tuple[Tensor, ...], hidden_size: int) -> Tensor:
    return torch.cat([units + direction * hidden_size for direction, units in enumerate(kept)])


def _select(parameter: Tensor, dim: int, indices: Tensor) -> nn.Parameter:
    selected = parameter.detach().index_select(dim, indices)
    return nn.Parameter(selected, requires_grad=parameter.requires_grad)
