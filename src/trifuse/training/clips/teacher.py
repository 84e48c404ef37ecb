"""What a student learns from: its teacher at work on the same views, or the teacher's tokens kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import safetensors.torch
import torch
from rich.progress import track

from trifuse.artifacts import write_file
from trifuse.training import distributed
from trifuse.training.clips.evaluation import Tokens, fusion_inputs
from trifuse.training.clips.views import DRAWS, ViewSettings, encode_views

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from trifuse.models.clip_encoders import ClipModel
    from trifuse.training.clips.data import Clips

_BATCH = 64


@dataclass(frozen=True)
class Views:
    """Which view of each window to look at: `draws` (n, DRAWS), and its `number` (n,)."""

    draws: Tensor
    number: Tensor


class Teacher(Protocol):
    """Answers for the views that it has the student look at."""

    def choose(self, indices: Tensor) -> Views:
        """Choose a view of each window."""

    def answers(self, indices: Tensor, views: Views, present: Tensor) -> tuple[Tokens, Tensor]:
        """Tell the tokens of the views, and the logits (n, …) with what `present` (n, modalities) admits."""


class LiveTeacher:
    """The teacher's model, run in every step on views that never repeat."""

    def __init__(self, model: ClipModel, data: Clips, settings: ViewSettings) -> None:
        self._model, self._data, self._settings = model.eval().to(distributed.device()), data, settings

    def choose(self, indices: Tensor) -> Views:
        """Draw a fresh view of each window."""
        return Views(torch.rand(len(indices), DRAWS), torch.zeros(len(indices), dtype=torch.int64))

    @torch.no_grad()
    def answers(self, indices: Tensor, views: Views, present: Tensor) -> tuple[Tokens, Tensor]:
        """Run the encoders and the fusion."""
        tokens = encode_views(self._model, self._data, indices, views.draws, self._settings)
        return tokens, _decide(self._model, self._data, tokens, indices, present)


class CachedTeacher:
    """The teacher's tokens for a number of views of every window, made once; only its fusion runs.

    The file holds `draws` (views, windows, DRAWS), and `video` and `audio` (views, windows, tokens, dim) and
    `text` (windows, 1, dim) in half precision.
    """

    def __init__(self, model: ClipModel, data: Clips, cache: Path) -> None:
        self._model, self._data = model.eval().to(distributed.device()), data
        self._tables = safetensors.torch.load_file(cache)

    def choose(self, indices: Tensor) -> Views:
        """Pick one of the known views of each window."""
        number = torch.randint(len(self._tables["draws"]), (len(indices),))
        return Views(self._tables["draws"][number, indices], number)

    @torch.no_grad()
    def answers(self, indices: Tensor, views: Views, present: Tensor) -> tuple[Tokens, Tensor]:
        """Look up the tokens and run the fusion."""
        known = [self._tables[name][views.number, indices] for name in ("video", "audio")]
        found = (part.float().to(self._model.device) for part in (*known, self._tables["text"][indices]))
        tokens = Tokens(*found)
        return tokens, _decide(self._model, self._data, tokens, indices, present)


@torch.inference_mode()
def cache_tokens(
    model: ClipModel, data: Clips, settings: ViewSettings, views: int, seed: int, cache: Path
) -> None:
    """Write the teacher's tokens to a file, complete or not at all; one that exists is kept."""
    if cache.is_file():
        return
    model.eval().to(distributed.device())
    draws = torch.rand(views, len(data), DRAWS, generator=torch.Generator().manual_seed(seed))
    chunks = torch.split(torch.arange(len(data)), _BATCH)
    looks = [(view, chunk) for view in draws for chunk in chunks]
    seen = [
        encode_views(model, data, chunk, view[chunk], settings)
        for view, chunk in track(looks, "asking the teacher", transient=True)
    ]
    tables = {"draws": draws}
    for name in ("video", "audio"):
        table = torch.cat([getattr(tokens, name).half().cpu() for tokens in seen])
        tables[name] = table.view(views, len(data), *table.shape[1:])
    tables["text"] = torch.cat([tokens.text.half().cpu() for tokens in seen[: len(chunks)]])
    write_file(cache, safetensors.torch.save(tables))


def _decide(model: ClipModel, data: Clips, tokens: Tokens, indices: Tensor, present: Tensor) -> Tensor:
    logits: Tensor = model.fusion.logits(*fusion_inputs(model.device, tokens, data, indices, present))
    return logits
