"""Inputs of a part over batch sizes and text lengths, to export it with and to compare it by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from trifuse.contracts import SystemContract

BATCHES = (2, 1, 5)


def export_cases(
    contract: SystemContract,
    part: str,
    architecture: Mapping[str, Any],
    batches: Sequence[int],
    special: Callable[[dict[str, Tensor]], Mapping[str, Tensor]],
) -> Iterator[dict[str, Tensor]]:
    """Yield inputs of a part: random numbers, words with padding, and what is `special` made of these."""
    generator = torch.Generator().manual_seed(0)
    vocab_size = architecture["text"]["vocab_size"]
    for batch in batches:
        for length in cast("tuple[int, ...]", contract.settings["text_lengths"]):
            words = _words(batch, length, vocab_size, generator)
            example = {}
            for spec in contract.model(part).inputs:
                dims = [length if dim == -1 else dim for dim in spec.dims]
                example[spec.name] = words.get(spec.name, torch.randn(batch, *dims, generator=generator))
            known = special(example | words)
            yield {name: known.get(name, value) for name, value in example.items()}


def _words(batch: int, length: int, vocab_size: int, generator: torch.Generator) -> dict[str, Tensor]:
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[1::2, length // 2 :] = 0
    ids = torch.randint(0, vocab_size, (batch, length), generator=generator) * mask
    return {"input_ids": ids, "attention_mask": mask}
