"""What the abandoned-object branch knows at given moments of a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np

from trifuse.errors import InputError
from trifuse.systems.surveillance.scene.analyser import SceneAnalyser
from trifuse.systems.surveillance.scene.settings import SceneSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def evidence_at(
    path: Path, moments_s: Sequence[float], settings: SceneSettings | None = None
) -> list[NDArray[np.float32]]:
    """Watch a recording from its beginning and tell the evidence (8,) at every moment, in the order given.

    Raises InputError for a file that cannot be read.
    """
    settings = settings or SceneSettings()
    analyser = SceneAnalyser(settings)
    order = np.argsort(moments_s)
    waiting = [float(moments_s[index]) for index in order]
    found = []
    next_s = 0.0
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                time_s = frame.time or 0.0
                while waiting and time_s > waiting[0]:
                    found.append(analyser.evidence())
                    del waiting[0]
                if not waiting:
                    break
                if time_s >= next_s:
                    analyser.update(_shrunk(frame, settings.analysis_width), time_s)
                    next_s = time_s + 1 / settings.analysis_fps
    except av.FFmpegError as error:
        raise InputError(f"{path} cannot be decoded", got=error) from error
    found += [analyser.evidence() for _ in waiting]
    return [found[place] for place in np.argsort(order)]


def _shrunk(frame: av.VideoFrame, width: int) -> NDArray[np.uint8]:
    """Convert no more pixels than the analyser looks at."""
    width = min(width, frame.width)
    height = max(1, round(frame.height * width / frame.width))
    return np.asarray(frame.to_ndarray(format="rgb24", width=width, height=height))
