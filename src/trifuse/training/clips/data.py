"""Windows of recordings as training arrays: decoded once, kept on disk beside their manifest."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.progress import track

from trifuse.artifacts import new_folder, write_file
from trifuse.catalog_windows import read_window
from trifuse.clip_contract import SENSES
from trifuse.errors import ArtifactError, InputError
from trifuse.preprocessing.window import empty_sounds, presence, write_sound
from trifuse.stages.chain import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from trifuse.catalog import Item
    from trifuse.preprocessing.audio import AudioSettings
    from trifuse.preprocessing.text import TextEncoder
    from trifuse.preprocessing.video import VideoSettings
    from trifuse.preprocessing.window import Window

# Counts changes of what is kept on disk: what another revision wrote is made again.
_REVISION = 3
_CACHE = ".windows"
_ARRAYS = ("frames", "mfcc", "lengths", "present")
_TEXTS = "texts.json"


@dataclass(frozen=True)
class DecodedClips:
    """Decoded windows: `frames` (n, T, S, S, 3) in bytes, `mfcc` (n, F, C) and `lengths` (n, 1), `present`
    (n, 3) in the order of SENSES, `texts` (None: nobody knows what was said).
    """

    frames: Tensor
    mfcc: Tensor
    lengths: Tensor
    present: Tensor
    texts: list[str | None]


@dataclass(frozen=True)
class Clips:
    """What a model is trained and measured on: `decoded` windows with their words as `input_ids` and
    `attention_mask` (n, tokens), `present` (n, modalities), `labels` (n, …) as the system reads them, and
    `extras`, the fusion's inputs of modalities beyond video, audio and text, by name.
    """

    decoded: DecodedClips
    input_ids: Tensor
    attention_mask: Tensor
    present: Tensor
    labels: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, decoded: DecodedClips, encode: TextEncoder, labels: Tensor) -> Clips:
        """Encode the texts, an absent one as an empty one; there are no modalities but the three."""
        ids, mask = encode([text or "" for text in decoded.texts])
        return cls(decoded, torch.from_numpy(ids), torch.from_numpy(mask), decoded.present, labels)

    def __len__(self) -> int:
        return len(self.decoded.texts)


@dataclass(frozen=True)
class ClipLoader:
    """Decodes windows as the settings say, or takes them from the cache beside the manifest."""

    video: VideoSettings
    audio: AudioSettings

    def load(self, items: Sequence[Item], manifest: Path) -> DecodedClips:
        """Read all windows. Raises ArtifactError naming the item whose file cannot be used."""
        folder = manifest.parent / _CACHE / self._key(items)
        if not folder.is_dir():
            self._decode(items, manifest.parent, folder)
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in _ARRAYS}
        texts = json.loads((folder / _TEXTS).read_text(encoding="utf-8"))
        return DecodedClips(**{name: torch.from_numpy(array) for name, array in arrays.items()}, texts=texts)

    def _key(self, items: Sequence[Item]) -> str:
        return digest_of([_REVISION, asdict(self.video), asdict(self.audio), list(fingerprints(items))])[:16]

    def _decode(self, items: Sequence[Item], home: Path, folder: Path) -> None:
        size = self.video.frame_size
        shape = (len(items), self.video.frame_count, size, size, 3)
        texts: list[str | None] = []
        with new_folder(folder) as work, ThreadPoolExecutor() as pool:
            frames = np.lib.format.open_memmap(work / "frames.npy", "w+", np.uint8, shape)
            coefficients, lengths = empty_sounds(len(items), self.audio)
            present = np.zeros((len(items), len(SENSES)), np.float32)
            windows = pool.map(partial(self._window, home), items)
            for index, window in enumerate(track(windows, "decoding windows", total=len(items))):
                if window.frames is not None:
                    frames[index] = window.frames
                write_sound(coefficients, lengths, index, window.pcm, self.audio)
                present[index] = presence([window])[0]
                texts.append(window.text)
            frames.flush()
            np.save(work / "mfcc.npy", coefficients)
            np.save(work / "lengths.npy", lengths)
            np.save(work / "present.npy", present)
            write_file(work / _TEXTS, json.dumps(texts, ensure_ascii=False))

    def _window(self, home: Path, item: Item) -> Window:
        try:
            return read_window(item, home, self.video, self.audio)
        except (OSError, InputError) as error:
            raise ArtifactError(
                f"the recording of item {item.id} cannot be used",
                got=error,
                hint="Repair it or take it out of the manifest",
            ) from error


def fingerprints(items: Sequence[Item]) -> Iterator[tuple[object, ...]]:
    """Tell for every item what a cache of it depends on: its line, and the size of its file."""
    for item in items:
        size = item.path.stat().st_size if item.path.is_file() else -1
        yield item.id, str(item.path), size, item.attributes
