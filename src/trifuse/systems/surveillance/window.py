"""The unit that the surveillance system judges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """Two seconds of a camera, whatever of it there is.

    `frames` (T, S, S, 3) are RGB bytes, as many and as large as the contract says; `pcm` (n,) is mono at
    16 kHz, from −1 to 1; `text` was said or shown ("" where subtitles say nothing just now); `scene` (8,) is
    the evidence of the abandoned-object branch.
    """

    frames: NDArray[np.uint8] | None = None
    pcm: NDArray[np.float32] | None = None
    text: str | None = None
    scene: NDArray[np.float32] | None = None
