"""What the surveillance system's clients do, written once for blocking and asyncio use; results are typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trifuse.client.batching import batches
from trifuse.client.encoding import bytes_tensor, file_bytes, text_bytes
from trifuse.errors import InputError
from trifuse.systems import PROFILES, contract
from trifuse.systems.surveillance.contract import ABNORMAL, DECISIONS, EVENTS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from trifuse.client import Answer
    from trifuse.systems.surveillance.window import Window

MODEL, CLIP_MODEL = "surveillance", "surveillance_clip"
_OUTPUTS = ("abnormal_score", "event_scores", "thresholds")


@dataclass(frozen=True)
class Assessment:
    """What a window shows: calibrated probabilities of `abnormal` and of every event.

    `thresholds` of "abnormal" and the events were chosen with the model; `version` is the published version.
    """

    abnormal: float
    events: dict[str, float]
    thresholds: dict[str, float]
    version: int

    @property
    def is_abnormal(self) -> bool:
        """Say whether the window is abnormal."""
        return self.abnormal >= self.thresholds[ABNORMAL]

    @property
    def found(self) -> tuple[str, ...]:
        """Name the events at or above their thresholds, the likeliest first."""
        likely = sorted(self.events, key=lambda event: -self.events[event])
        return tuple(event for event in likely if self.events[event] >= self.thresholds[event])


class Request(NamedTuple):
    """One call of a model."""

    model: str
    inputs: dict[str, NDArray[Any]]
    outputs: tuple[str, ...]


def assess(windows: Sequence[Window]) -> Generator[Request, Answer, list[Assessment]]:
    """Assess windows; those with equal modalities and lengths share requests. Raises InputError."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    encoded = [_encode(window) for window in windows]
    for index, inputs in enumerate(encoded):
        groups.setdefault(tuple((name, value.shape) for name, value in inputs.items()), []).append(index)
    found: dict[int, Assessment] = {}
    for indices in groups.values():
        answers = yield from _assess_alike(MODEL, [encoded[index] for index in indices])
        found |= dict(zip(indices, answers, strict=True))
    return [found[index] for index in range(len(windows))]


def assess_clips(
    clips: Iterable[bytes | Path], text: str | None = None
) -> Generator[Request, Answer, list[Assessment]]:
    """Assess whole media files, which the server decodes; `text` takes the place of their subtitles."""
    given = {} if text is None else {"text": bytes_tensor([text_bytes(text)])[0]}
    encoded = [{"clip": bytes_tensor([clip_bytes(clip)])[0]} | given for clip in clips]
    return (yield from _assess_alike(CLIP_MODEL, encoded))


def clip_bytes(clip: bytes | Path) -> bytes:
    """Read a media file that is a path. Raises InputError."""
    return clip if isinstance(clip, bytes) else file_bytes(Path(clip))


def _encode(window: Window) -> dict[str, NDArray[Any]]:
    inputs: dict[str, NDArray[Any]] = {}
    if window.frames is not None:
        inputs["frames"] = np.ascontiguousarray(window.frames, np.uint8)
    if window.pcm is not None:
        inputs["pcm"] = np.ascontiguousarray(window.pcm, np.float32)
    if window.text is not None:
        inputs["text"] = bytes_tensor([text_bytes(window.text)])[0]
    if window.scene is not None:
        inputs["scene"] = np.ascontiguousarray(window.scene, np.float32)
    if not inputs:
        raise InputError("a window is empty", expected="frames, pcm, text or scene")
    return inputs


def _assess_alike(
    model: str, items: Sequence[Mapping[str, NDArray[Any]]]
) -> Generator[Request, Answer, list[Assessment]]:
    found: list[Assessment] = []
    for request in _requests(model, items):
        answer = yield request
        rows = zip(*(answer[name].tolist() for name in _OUTPUTS), strict=True)
        found += [
            Assessment(
                abnormal[0],
                dict(zip(EVENTS, events, strict=True)),
                dict(zip(DECISIONS, thresholds, strict=True)),
                answer.model_version,
            )
            for abnormal, events, thresholds in rows
        ]
    return found


def _requests(model: str, items: Iterable[Mapping[str, NDArray[Any]]]) -> Iterator[Request]:
    # The batch limit is the same in every profile.
    max_items = contract("surveillance", PROFILES[0]).max_batch_size
    for batch in batches(items, max_items, lambda item: sum(map(_bytes, item.values()))):
        yield Request(model, {name: np.stack([item[name] for item in batch]) for name in batch[0]}, _OUTPUTS)


def _bytes(value: NDArray[Any]) -> int:
    return sum(map(len, value.flat)) if value.dtype == object else value.nbytes
