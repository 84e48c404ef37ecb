"""Load a pruned model: its shapes come from its weights, for no configuration describes them.

A pruned BERT, say, has 6 heads of 64 in a hidden size of 768, which a BertConfig cannot express.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from trifuse.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Shape = tuple[int, ...]
Shapes = dict[str, Shape]


@dataclass(frozen=True)
class _Resizing:
    """New values of a module's size attributes, and the shapes that its tensors have at those sizes."""

    attributes: dict[str, Any]
    shapes: Shapes


def load_resized(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give a freshly built model the sizes of a pruned model's state dict and load it, strictly.

    Resizes Linear, Conv1d / 2d / 3d, BatchNorm, LayerNorm, Embedding and LSTM, and sets the number of heads
    of transformers' BERT attention, whose head size stays. Norms without weights keep their size. Raises
    ArtifactError, before anything is changed, when names are missing or unknown, when the shapes of one
    module do not fit together, and when a tensor of another kind of module has another shape. Whether one
    module's outputs fit the next one's inputs shows only when the model runs.
    """
    _check_names(model, state)
    resizings = {name: _plan(name, module, state) for name, module in model.named_modules()}
    for name, resizing in resizings.items():
        _resize(model.get_submodule(name), resizing)
    model.load_state_dict(state)


def _check_names(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    expected = model.state_dict().keys()
    for problem, names in (
        ("lacks tensors of the model", expected - state.keys()),
        ("has tensors that the model lacks", state.keys() - expected),
    ):
        if names:
            raise ArtifactError(
                f"the state dict {problem}",
                got=", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""),
                hint="Build the model that was pruned, with its original sizes",
            )


def _plan(name: str, module: nn.Module, state: Mapping[str, Tensor]) -> _Resizing:
    prefix = f"{name}." if name else ""
    tensors = {key: tensor for key, tensor in _tensors(module) if prefix + key in state}
    shapes = {key: tuple(state[prefix + key].shape) for key in tensors}
    attributes = _attention_heads(prefix, module, state)
    if shapes != {key: tuple(tensor.shape) for key, tensor in tensors.items()}:
        same_ranks = all(len(shapes[key]) == tensor.ndim for key, tensor in tensors.items())
        resizing = _sizes(module, shapes) if same_ranks else None
        if resizing is None or any(resizing.shapes.get(key) != shape for key, shape in shapes.items()):
            raise ArtifactError(
                f"{name or 'the model'} ({type(module).__name__}) cannot have the sizes in the state dict",
                got=shapes,
                expected=f"fitting shapes of {', '.join(kind.__name__ for kind in _KINDS)}",
                hint="Build the model that was pruned",
            )
        attributes = attributes | resizing.attributes
    return _Resizing(attributes, shapes)


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]


def _resize(module: nn.Module, resizing: _Resizing) -> None:
    for name, value in resizing.attributes.items():
        setattr(module, name, value)
    for name, shape in resizing.shapes.items():
        old: Tensor = getattr(module, name)
        if tuple(old.shape) != shape:
            new = old.detach().new_empty(shape)
            is_parameter = isinstance(old, nn.Parameter)
            setattr(module, name, nn.Parameter(new, requires_grad=old.requires_grad) if is_parameter else new)


def _attention_heads(prefix: str, module: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Count the heads of a BERT self-attention by its projections; nothing for other modules."""
    # Told by its attribute: importing transformers' classes takes many seconds.
    head_size = getattr(module, "attention_head_size", None)
    if not isinstance(head_size, int):
        return {}
    widths = {state[f"{prefix}{part}.weight"].shape[0] for part in ("query", "key", "value")}
    if len(widths) > 1 or min(widths) % head_size:
        raise ArtifactError(
            f"the attention heads of {prefix.removesuffix('.')} cannot be counted",
            got=f"projections to {', '.join(map(str, sorted(widths)))}",
            expected=f"query, key and value of one multiple of {head_size}",
            hint="Prune whole heads",
        )
    width = widths.pop()
    return {"num_attention_heads": width // head_size, "all_head_size": width}


def _sizes(module: nn.Module, shapes: Shapes) -> _Resizing | None:
    return next((sizes(module, shapes) for kind, sizes in _KINDS.items() if isinstance(module, kind)), None)


def _linear(_: nn.Linear, shapes: Shapes) -> _Resizing:
    out, inputs = shapes["weight"]
    return _Resizing({"out_features": out, "in_features": inputs}, {"weight": (out, inputs), "bias": (out,)})


def _convolution(module: nn.Conv1d | nn.Conv2d | nn.Conv3d, shapes: Shapes) -> _Resizing:
    out, per_group = shapes["weight"][:2]
    groups = module.groups
    if module.in_channels == groups > 1:
        groups = max(
            1, out // (module.out_channels // groups)
        )  # depthwise: a pruned channel takes its group along
    out -= out % groups
    sizes = {"out_channels": out, "in_channels": per_group * groups, "groups": groups}
    return _Resizing(sizes, {"weight": (out, per_group, *module.kernel_size), "bias": (out,)})


def _batch_norm(_: nn.Module, shapes: Shapes) -> _Resizing:
    size = next(shape for shape in shapes.values() if shape)
    vectors = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), size)
    return _Resizing({"num_features": size[0]}, {**vectors, "num_batches_tracked": ()})


def _layer_norm(_: nn.LayerNorm, shapes: Shapes) -> _Resizing:
    size = shapes["weight"]
    return _Resizing({"normalized_shape": size}, {"weight": size, "bias": size})


def _embedding(_: nn.Embedding, shapes: Shapes) -> _Resizing:
    rows, width = shapes["weight"]
    return _Resizing({"num_embeddings": rows, "embedding_dim": width}, {"weight": (rows, width)})


def _lstm(module: nn.LSTM, shapes: Shapes) -> _Resizing:
    (_, hidden), (_, inputs) = shapes["weight_hh_l0"], shapes["weight_ih_l0"]
    expected: Shapes = {}
    for name in shapes:
        kind, _, layer = name.partition("_l")
        first = layer.removesuffix("_reverse") == "0"
        columns = inputs if first else hidden * (2 if module.bidirectional else 1)
        widths = {"weight_ih": (columns,), "weight_hh": (hidden,)}
        expected[name] = (4 * hidden, *widths.get(kind, ()))
    return _Resizing({"hidden_size": hidden, "input_size": inputs}, expected)


_KINDS: dict[type[nn.Module], Callable[[Any, Shapes], _Resizing]] = {
    nn.Linear: _linear,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.Conv3d: _convolution,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm3d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.Embedding: _embedding,
    nn.LSTM: _lstm,
}
