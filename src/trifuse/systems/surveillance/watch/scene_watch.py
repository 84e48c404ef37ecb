"""The abandoned-object branch on a stream: fed now and then, asked at every window."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.surveillance.scene.analyser import LeftObject, SceneAnalyser

if TYPE_CHECKING:
    import av
    from numpy.typing import NDArray

    from trifuse.systems.surveillance.scene.settings import SceneSettings

_SMALLEST = 32


class SceneWatch:
    """Watches one camera's pictures; has something to say after `history_s`."""

    def __init__(self, settings: SceneSettings, history_s: float) -> None:
        self._analyser = SceneAnalyser(settings)
        self._settings, self._history_s = settings, history_s
        self._next_s, self._since_s = -math.inf, math.inf
        self.left: tuple[LeftObject, ...] = ()

    def add(self, frame: av.VideoFrame, time_s: float) -> None:
        """Look at a frame if it is time to, and if it is large enough to show anything."""
        width = min(self._settings.analysis_width, frame.width)
        height = round(frame.height * width / frame.width)
        if time_s < self._next_s or min(width, height) < _SMALLEST:
            return
        # More threads would be started anew for every frame.
        small = frame.reformat(width=width, height=height, format="rgb24", threads=1)
        picture = np.asarray(small.to_ndarray(), np.uint8)
        self.left = tuple(self._analyser.update(picture, time_s))
        self._next_s = time_s + 1 / self._settings.analysis_fps
        self._since_s = min(self._since_s, time_s)

    def forget(self) -> None:
        """Let go of the pictures, of which there will be no more."""
        self._analyser = SceneAnalyser(self._settings)

    def evidence(self, start_s: float) -> NDArray[np.float32] | None:
        """Tell the evidence (8,) for a window that begins at a time; None if it begins too early."""
        return self._analyser.evidence() if start_s - self._since_s >= self._history_s else None
