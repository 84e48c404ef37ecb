"""Windows of recordings as training arrays: decoded once, kept on disk beside their manifest."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.progress import track

from trifuse.artifacts import new_folder, write_file
from trifuse.errors import ArtifactError, InputError
from trifuse.preprocessing.audio import mfcc
from trifuse.stages.chain import digest_of
from trifuse.systems.surveillance.contract import MODALITIES, SCENE_DIM
from trifuse.systems.surveillance.manifest import label_of, read_window, watch_scenes
from trifuse.systems.surveillance.preprocess import presence
from trifuse.systems.surveillance.scene_settings import SceneSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from trifuse.catalog import Item
    from trifuse.preprocessing.audio import AudioSettings
    from trifuse.preprocessing.text import TextEncoder
    from trifuse.preprocessing.video import VideoSettings
    from trifuse.systems.surveillance.window import Window

# Counts changes of what is kept on disk: what another revision wrote is made again.
_REVISION = 2
_CACHE = ".windows"
_ARRAYS = ("frames", "mfcc", "lengths", "evidence", "present")
_TEXTS = "texts.json"


@dataclass(frozen=True)
class Windows:
    """Decoded windows: `frames` (n, T, S, S, 3) in bytes, `mfcc` (n, F, C) and `lengths` (n, 1), `texts`
    (None: there are no subtitles), `evidence` (n, 8), `present` (n, 4), and `labels` (n, 7) as in DECISIONS.
    """

    items: list[Item]
    frames: Tensor
    mfcc: Tensor
    lengths: Tensor
    texts: list[str | None]
    evidence: Tensor
    present: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class EncodedWindows:
    """Windows, and `input_ids` and `attention_mask` (n, tokens) of their texts."""

    windows: Windows
    input_ids: Tensor
    attention_mask: Tensor

    @classmethod
    def of(cls, windows: Windows, encode: TextEncoder) -> EncodedWindows:
        """Encode the texts; an absent one is an empty one."""
        ids, mask = encode([text or "" for text in windows.texts])
        return cls(windows, torch.from_numpy(ids), torch.from_numpy(mask))

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def labels(self) -> NDArray[np.bool_]:
        """The labels (n, 7) as truth values."""
        return (self.windows.labels > 0).numpy()


@dataclass(frozen=True)
class WindowLoader:
    """Decodes windows as the contract says; `history_s` is how long the scene is watched before it counts."""

    video: VideoSettings
    audio: AudioSettings
    history_s: float

    def load(self, items: list[Item], manifest: Path) -> Windows:
        """Read all windows, from the cache beside the manifest if they were read before.

        Raises ArtifactError naming the item whose file or label cannot be used.
        """
        labels = torch.tensor([label_of(item) for item in items], dtype=torch.float32)
        folder = manifest.parent / _CACHE / self._key(items)
        if not folder.is_dir():
            self._decode(items, manifest.parent, folder)
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in _ARRAYS}
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        texts = json.loads((folder / _TEXTS).read_text(encoding="utf-8"))
        return Windows(items, texts=texts, labels=labels, **tensors)

    def _key(self, items: Sequence[Item]) -> str:
        files = [
            (
                item.id,
                str(item.path),
                item.path.stat().st_size if item.path.is_file() else -1,
                item.attributes,
            )
            for item in items
        ]
        settings = [asdict(self.video), asdict(self.audio), self.history_s, asdict(SceneSettings())]
        return digest_of([_REVISION, settings, files])[:16]

    def _decode(self, items: Sequence[Item], home: Path, folder: Path) -> None:
        size, audio = self.video.frame_size, self.audio
        shape = (len(items), self.video.frame_count, size, size, 3)
        texts: list[str | None] = []
        with new_folder(folder) as work, ThreadPoolExecutor() as pool:
            frames = np.lib.format.open_memmap(work / "frames.npy", "w+", np.uint8, shape)
            coefficients = np.zeros((len(items), audio.frames, audio.n_mfcc), np.float32)
            lengths = np.zeros((len(items), 1), np.int64)
            scenes = watch_scenes(items, self.history_s, pool)
            evidence = np.zeros((len(items), SCENE_DIM), np.float32)
            present = np.zeros((len(items), len(MODALITIES)), np.float32)
            windows = pool.map(partial(self._window, home), items)
            for index, window in enumerate(track(windows, "decoding windows", total=len(items))):
                if window.frames is not None:
                    frames[index] = window.frames
                if window.pcm is not None:
                    found = mfcc(window.pcm[: audio.samples], audio)
                    coefficients[index, : len(found)], lengths[index] = found, len(found)
                scene = scenes[index]
                if scene is not None:
                    evidence[index] = scene
                present[index] = presence([replace(window, scene=scene)])[0]
                texts.append(window.text)
            frames.flush()
            np.save(work / "mfcc.npy", coefficients)
            np.save(work / "lengths.npy", lengths)
            np.save(work / "evidence.npy", evidence)
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
