"""The surveillance system's preprocessing step: windows of video, sound and text to encoder inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from trifuse.errors import InputError
from trifuse.preprocessing.audio import AudioSettings, mfcc
from trifuse.preprocessing.recording import probe, read_clip
from trifuse.preprocessing.text import TextEncoder, decode_text
from trifuse.preprocessing.video import VideoSettings, pixel_values
from trifuse.systems.surveillance.contract import MODALITIES, SCENE_DIM
from trifuse.systems.surveillance.window import Window

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract

TOKENIZER = "tokenizer.json"
# A clip is one window; so many times as long it would be another thing than what the models were trained on.
_LONGEST_CLIP = 2


class Preprocessor:
    """Turns a request's windows into the tensors of the contract's preprocessing step."""

    def __init__(self, contract: SystemContract, assets: Path) -> None:
        settings = contract.settings
        self._video, self._audio = VideoSettings.of(settings), AudioSettings.of(settings)
        self._max_text_bytes = cast("int", settings["max_text_bytes"])
        lengths = cast("Sequence[int]", settings["text_lengths"])
        self._encode = TextEncoder.load(assets / TOKENIZER, lengths)

    def __call__(
        self, inputs: Mapping[str, NDArray[Any]], outputs: Collection[str]
    ) -> dict[str, NDArray[np.generic]]:
        """Compute the named outputs; what is absent gives zeros, and a presence of 0.

        `clip` holds whole media files; `frames`, `pcm`, `text` and `scene` override what is in one.
        Raises InputError, naming the item of the batch that is wrong.
        """
        batch = len(next(iter(inputs.values())))
        windows = [self._window(inputs, index, batch) for index in range(batch)]
        made = tensors(windows, self._video, self._audio, self._encode)
        return {name: made[name] for name in outputs}

    def _window(self, inputs: Mapping[str, NDArray[Any]], index: int, batch: int) -> Window:
        given = {name: values[index] for name, values in inputs.items()}
        name = next(iter(given))
        try:
            found = Window()
            if "clip" in given:
                name = "clip"
                found = self._decode(given["clip"][0])
            text, name = found.text, "text"
            if "text" in given:
                said = given["text"][0]
                # Subtitles that say nothing just now are not the absence of subtitles.
                text = decode_text(said, self._max_text_bytes) if said.strip() else ""
            name = "pcm"
            pcm = _finite(given["pcm"]) if "pcm" in given else found.pcm
            name = "scene"
            scene = _finite(given["scene"]) if "scene" in given else None
        except InputError as error:
            raise _located(error, name, index, batch) from error
        return Window(given.get("frames", found.frames), pcm, text, scene)

    def _decode(self, file: bytes) -> Window:
        duration_s, window_s = probe(file), self._video.window_s
        if duration_s > _LONGEST_CLIP * window_s:
            raise InputError(
                "the clip is longer than a window",
                got=f"{duration_s:.1f} s",
                expected=f"about {window_s:g} s, at most {_LONGEST_CLIP * window_s:g}",
                hint="Cut it into windows, or watch it with clients/watch.py",
            )
        clip = read_clip(file, self._video, self._audio)
        return Window(clip.frames, clip.pcm, clip.text)


def tensors(
    windows: Sequence[Window], video: VideoSettings, audio: AudioSettings, encode: TextEncoder
) -> dict[str, NDArray[np.generic]]:
    """Compute all outputs of the preprocessing step: training and serving share these lines."""
    batch = len(windows)
    size = video.frame_size
    pixels = np.zeros((batch, 3, video.frame_count, size, size), np.float32)
    coefficients = np.zeros((batch, audio.frames, audio.n_mfcc), np.float32)
    lengths = np.zeros((batch, 1), np.int64)
    evidence = np.zeros((batch, SCENE_DIM), np.float32)
    for index, window in enumerate(windows):
        if window.frames is not None:
            pixels[index] = pixel_values(window.frames, video)
        if window.pcm is not None:
            found = mfcc(window.pcm[: audio.samples], audio)
            coefficients[index, : len(found)], lengths[index] = found, len(found)
        if window.scene is not None:
            evidence[index] = window.scene
    ids, mask = encode([window.text or "" for window in windows])
    return {
        "pixel_values": pixels,
        "mfcc": coefficients,
        "mfcc_lengths": lengths,
        "input_ids": ids,
        "attention_mask": mask,
        "evidence": evidence,
        "present": presence(windows),
    }


def presence(windows: Sequence[Window]) -> NDArray[np.float32]:
    """Tell what each window has, (windows, 4) in the order of MODALITIES."""
    parts = [(window.frames, window.pcm, window.text, window.scene) for window in windows]
    found = np.array([[part is not None for part in row] for row in parts], np.float32)
    return found.reshape(len(windows), len(MODALITIES))


def _finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    if not len(values) or not np.isfinite(values).all():
        raise InputError(
            "some values are not numbers" if len(values) else "there are no values",
            got=f"{np.count_nonzero(~np.isfinite(values))} of {len(values)} not finite",
            expected="finite numbers",
        )
    return values


def _located(error: InputError, name: str, index: int, batch: int) -> InputError:
    where = f"input '{name}'" + (f", item {index} of {batch}" if batch > 1 else "")
    return InputError(f"{where}: {error.problem}", got=error.got, expected=error.expected, hint=error.hint)
