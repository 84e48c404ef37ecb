"""The unit that the surveillance system judges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifuse.preprocessing import window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Window(window.Window):
    """Two seconds of a camera, whatever of it there is.

    `scene` (8,) is the evidence of the abandoned-object branch.
    """

    scene: NDArray[np.float32] | None = None
