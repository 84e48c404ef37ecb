"""The surveillance system's preprocessing step: windows of video, sound, text and scene to encoder inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trifuse.errors import InputError
from trifuse.preprocessing.window import WindowReader, finite
from trifuse.systems.surveillance.contract import SCENE_DIM

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.contracts import SystemContract


class Preprocessor:
    """Turns a request's windows into the tensors of the contract's preprocessing step."""

    def __init__(self, contract: SystemContract, assets: Path) -> None:
        self._reader = WindowReader(contract, assets)

    def __call__(
        self, inputs: Mapping[str, NDArray[Any]], outputs: Collection[str]
    ) -> dict[str, NDArray[np.generic]]:
        """Compute the named outputs; what is absent gives zeros, and a presence of 0.

        `clip` holds whole media files; `frames`, `pcm` and `text` override what is in one.
        Raises InputError, naming the item of the batch that is wrong.
        """
        windows = self._reader.windows(inputs)
        evidence, seen = _evidence(inputs.get("scene"), len(windows))
        made = self._reader.inputs(windows)
        made |= {"evidence": evidence, "present": with_scene(made["present"], seen)}
        return {name: made[name] for name in outputs}


def with_scene(present: NDArray[Any], seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Append to the presence of video, audio and text (n, 3) whether the scene was watched: (n, 4)."""
    return np.concatenate([present, seen[:, None]], axis=1).astype(np.float32)


def _evidence(
    scenes: NDArray[np.float32] | None, batch: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    if scenes is None:
        return np.zeros((batch, SCENE_DIM), np.float32), np.zeros(batch, np.bool_)
    for index, scene in enumerate(scenes):
        try:
            finite(scene)
        except InputError as error:
            raise error.located("scene", index, batch) from error
    return scenes, np.ones(batch, np.bool_)
