"""Every subset of the modalities, to learn what each is worth."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


def subsets(senses: Mapping[str, Sequence[str]], modalities: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Name every subset of the senses, with the modalities (n,) that it admits; a sense may bring several."""
    found = {}
    for size in range(1, len(senses) + 1):
        for chosen in itertools.combinations(senses, size):
            admitted = {modality for sense in chosen for modality in senses[sense]}
            found[" + ".join(chosen)] = np.array([name in admitted for name in modalities], np.float32)
    return found
