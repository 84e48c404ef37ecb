"""Requests of systems that look at windows of video, sound and text, and rows of their answers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import numpy as np

from trifuse.client.batching import batches
from trifuse.client.encoding import bytes_tensor, file_bytes, text_bytes
from trifuse.client.operations import Request
from trifuse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from trifuse.client import Answer
    from trifuse.preprocessing.window import Window

    Inputs = Mapping[str, NDArray[Any]]

_FILM_FPS, _FILM_PX = 8, 64


class Row(NamedTuple):
    """What was answered to one item: the outputs as lists of numbers, and the published version."""

    outputs: dict[str, list[float]]
    version: int


def window_inputs(window: Window) -> dict[str, NDArray[Any]]:
    """Name the inputs that a window has."""
    inputs: dict[str, NDArray[Any]] = {}
    if window.frames is not None:
        inputs["frames"] = np.ascontiguousarray(window.frames, np.uint8)
    if window.pcm is not None:
        inputs["pcm"] = np.ascontiguousarray(window.pcm, np.float32)
    if window.text is not None:
        inputs["text"] = bytes_tensor([text_bytes(window.text)])[0]
    return inputs


def clip_inputs(clips: Iterable[bytes | Path], text: str | None) -> list[dict[str, NDArray[Any]]]:
    """Name the inputs of whole media files; `text` takes the place of their subtitles. Raises InputError."""
    given = {} if text is None else {"text": bytes_tensor([text_bytes(text)])[0]}
    return [{"clip": bytes_tensor([_content(clip)])[0]} | given for clip in clips]


def ask(
    model: str, items: Sequence[Inputs], outputs: tuple[str, ...], max_items: int
) -> Generator[Request, Answer, list[Row]]:
    """Ask about every item; those with equal inputs and shapes share requests. Raises InputError."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, item in enumerate(items):
        if not item:
            raise InputError("a window is empty", expected="video, sound or text")
        groups.setdefault(tuple((name, value.shape) for name, value in item.items()), []).append(index)
    found: dict[int, Row] = {}
    for indices in groups.values():
        rows: list[Row] = []
        for batch in batches((items[index] for index in indices), max_items, _item_bytes):
            answer = yield Request(
                model, {name: np.stack([item[name] for item in batch]) for name in batch[0]}, outputs
            )
            rows += _rows(answer, outputs)
        found |= dict(zip(indices, rows, strict=True))
    return [found[index] for index in range(len(items))]


def canary_item(duration_s: float, text: str) -> dict[str, NDArray[np.object_]]:
    """Make a valid item for the inputs of ensembles: so many seconds of grey as an MP4 file, and a text."""
    return {"clip": bytes_tensor([_grey_film(duration_s)]), "text": bytes_tensor([text.encode()])}


def _grey_film(duration_s: float) -> bytes:
    file = io.BytesIO()
    picture = np.full((_FILM_PX, _FILM_PX, 3), 128, np.uint8)
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream(
            "mpeg4", rate=_FILM_FPS, width=_FILM_PX, height=_FILM_PX, pix_fmt="yuv420p"
        )
        for _ in range(round(duration_s * _FILM_FPS)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    return file.getvalue()


def _rows(answer: Answer, outputs: tuple[str, ...]) -> list[Row]:
    columns = zip(*(answer[name].tolist() for name in outputs), strict=True)
    return [Row(dict(zip(outputs, values, strict=True)), answer.model_version) for values in columns]


def _content(clip: bytes | Path) -> bytes:
    return clip if isinstance(clip, bytes) else file_bytes(Path(clip))


def _item_bytes(item: Inputs) -> int:
    return sum(
        sum(map(len, value.flat)) if value.dtype == object else value.nbytes for value in item.values()
    )
