"""Windows of recordings with their scenes and labels, as training arrays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from trifuse.artifacts import new_folder
from trifuse.errors import ArtifactError, InputError
from trifuse.stages.chain import digest_of
from trifuse.systems.surveillance.contract import SCENE_DIM
from trifuse.systems.surveillance.manifest import label_of, watch_scenes
from trifuse.systems.surveillance.preprocess import with_scene
from trifuse.systems.surveillance.scene.settings import SceneSettings
from trifuse.training.clips.data import Clips, fingerprints

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.catalog import Item
    from trifuse.preprocessing.text import TextEncoder
    from trifuse.training.clips.data import ClipLoader

# Counts changes of what is kept on disk: what another revision wrote is made again.
_REVISION = 1
_CACHE = ".scenes"


def load_clips(
    items: Sequence[Item], manifest: Path, loader: ClipLoader, encode: TextEncoder, history_s: float
) -> Clips:
    """Load windows: labels (n, 7) as in DECISIONS, presence (n, 4), and the scenes' evidence (n, 8).

    `history_s` is how long a scene is watched before it counts. Raises ArtifactError naming the item whose
    file or label cannot be used.
    """
    labels = torch.tensor([label_of(item) for item in items], dtype=torch.float32)
    clips = Clips.of(loader.load(items, manifest), encode, labels)
    evidence, seen = _scenes(items, manifest.parent, history_s)
    present = torch.from_numpy(with_scene(clips.present.numpy(), seen))
    return replace(clips, present=present, extras={"evidence": torch.from_numpy(evidence)})


def _scenes(
    items: Sequence[Item], home: Path, history_s: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Watch the scenes of all items, or take them from the cache: evidence (n, 8), seen (n,)."""
    key = digest_of([_REVISION, history_s, asdict(SceneSettings()), list(fingerprints(items))])[:16]
    folder = home / _CACHE / key
    if not folder.is_dir():
        try:
            with ThreadPoolExecutor() as pool:
                scenes = watch_scenes(items, history_s, pool)
        except (OSError, InputError) as error:
            raise ArtifactError("a recording cannot be watched", got=error) from error
        nothing = np.zeros(SCENE_DIM, np.float32)
        with new_folder(folder) as work:
            np.save(work / "evidence.npy", np.stack([nothing if one is None else one for one in scenes]))
            np.save(work / "seen.npy", np.array([one is not None for one in scenes]))
    return np.load(folder / "evidence.npy"), np.load(folder / "seen.npy")
