"""Windows of video, sound and text to encoder inputs: training and serving share these lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from trifuse.clip_contract import SENSES
from trifuse.errors import InputError
from trifuse.preprocessing.audio import AudioSettings, mfcc
from trifuse.preprocessing.recording import probe, read_clip
from trifuse.preprocessing.text import TOKENIZER, TextEncoder, decode_text
from trifuse.preprocessing.video import VideoSettings, pixel_values

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract

# A clip is one window; so many times as long it would be another thing than what the models were trained on.
_LONGEST_CLIP = 2


@dataclass(frozen=True)
class Window:
    """A window of a recording: `frames` (T, S, S, 3) RGB, `pcm` (n,) mono, `text`; None for what is absent.

    An empty text means that nothing was said, None that nobody knows.
    """

    frames: NDArray[np.uint8] | None = None
    pcm: NDArray[np.float32] | None = None
    text: str | None = None


class WindowReader:
    """Reads windows out of requests, and turns them into the inputs of video, audio and text encoders."""

    def __init__(self, contract: SystemContract, assets: Path) -> None:
        settings = contract.settings
        self._video, self._audio = VideoSettings.of(settings), AudioSettings.of(settings)
        self._max_text_bytes = cast("int", settings["max_text_bytes"])
        self._encode = TextEncoder.load(assets / TOKENIZER, cast("Sequence[int]", settings["text_lengths"]))

    def windows(self, inputs: Mapping[str, NDArray[Any]]) -> list[Window]:
        """Read a batch of `clip` (whole media files), `frames`, `pcm` and `text`, which override the clip's.

        Raises InputError, naming the item of the batch that is wrong.
        """
        batch = len(next(iter(inputs.values())))
        return [self._window(inputs, index, batch) for index in range(batch)]

    def inputs(self, windows: Sequence[Window]) -> dict[str, NDArray[np.generic]]:
        """Compute what the encoders take, and `present`."""
        return encoder_inputs(windows, self._video, self._audio, self._encode)

    def _window(self, inputs: Mapping[str, NDArray[Any]], index: int, batch: int) -> Window:
        given = {name: values[index] for name, values in inputs.items()}
        name = "clip"
        try:
            found = self._decode(given["clip"][0]) if "clip" in given else Window()
            text, name = found.text, "text"
            if "text" in given:
                said = given["text"][0]
                # Subtitles that say nothing just now are not the absence of subtitles.
                text = decode_text(said, self._max_text_bytes) if said.strip() else ""
            name = "pcm"
            pcm = finite(given["pcm"]) if "pcm" in given else found.pcm
        except InputError as error:
            raise error.located(name, index, batch) from error
        return Window(given.get("frames", found.frames), pcm, text)

    def _decode(self, file: bytes) -> Window:
        duration_s, window_s = probe(file), self._video.window_s
        if duration_s > _LONGEST_CLIP * window_s:
            raise InputError(
                "the clip is longer than a window",
                got=f"{duration_s:.1f} s",
                expected=f"about {window_s:g} s, at most {_LONGEST_CLIP * window_s:g}",
                hint="Cut it into windows: the system's clients do that for whole recordings",
            )
        clip = read_clip(file, self._video, self._audio)
        return Window(clip.frames, clip.pcm, clip.text)


class WindowPreprocessor:
    """The preprocessing step of systems that take video, sound and text and nothing else."""

    def __init__(self, contract: SystemContract, assets: Path) -> None:
        self._reader = WindowReader(contract, assets)

    def __call__(
        self, inputs: Mapping[str, NDArray[Any]], outputs: Collection[str]
    ) -> dict[str, NDArray[np.generic]]:
        """Compute the named outputs; what is absent gives zeros, and a presence of 0.

        `clip` holds whole media files; `frames`, `pcm` and `text` override what is in one.
        Raises InputError, naming the item of the batch that is wrong.
        """
        made = self._reader.inputs(self._reader.windows(inputs))
        return {name: made[name] for name in outputs}


def encoder_inputs(
    windows: Sequence[Window], video: VideoSettings, audio: AudioSettings, encode: TextEncoder
) -> dict[str, NDArray[np.generic]]:
    """Compute `pixel_values`, `mfcc`, `mfcc_lengths`, `input_ids`, `attention_mask` and `present`.

    What is absent gives zeros, and a presence of 0.
    """
    batch, size = len(windows), video.frame_size
    pixels = np.zeros((batch, 3, video.frame_count, size, size), np.float32)
    coefficients, lengths = empty_sounds(batch, audio)
    for index, window in enumerate(windows):
        if window.frames is not None:
            pixels[index] = pixel_values(window.frames, video)
        write_sound(coefficients, lengths, index, window.pcm, audio)
    ids, mask = encode([window.text or "" for window in windows])
    return {
        "pixel_values": pixels,
        "mfcc": coefficients,
        "mfcc_lengths": lengths,
        "input_ids": ids,
        "attention_mask": mask,
        "present": presence(windows),
    }


def empty_sounds(count: int, audio: AudioSettings) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Make room for so many sounds: MFCC (count, frames, coefficients) and lengths (count, 1)."""
    return np.zeros((count, audio.frames, audio.n_mfcc), np.float32), np.zeros((count, 1), np.int64)


def write_sound(
    coefficients: NDArray[np.float32],
    lengths: NDArray[np.int64],
    index: int,
    pcm: NDArray[np.float32] | None,
    audio: AudioSettings,
) -> None:
    """Write a sound's MFCC and their number into row `index`; an absent one leaves the row as it is."""
    if pcm is not None:
        found = mfcc(pcm[: audio.samples], audio)
        coefficients[index, : len(found)], lengths[index] = found, len(found)


def presence(windows: Sequence[Window]) -> NDArray[np.float32]:
    """Tell what each window has, (windows, 3) in the order of SENSES."""
    parts = [(window.frames, window.pcm, window.text) for window in windows]
    found = np.array([[part is not None for part in row] for row in parts], np.float32)
    return found.reshape(len(windows), len(SENSES))


def finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pass values on that are numbers, at least one. Raises InputError."""
    if not len(values) or not np.isfinite(values).all():
        raise InputError(
            "some values are not numbers" if len(values) else "there are no values",
            got=f"{np.count_nonzero(~np.isfinite(values))} of {len(values)} not finite",
            expected="finite numbers",
        )
    return values
