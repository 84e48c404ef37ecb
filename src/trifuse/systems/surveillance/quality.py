"""Figures of how well windows are judged, and the subsets of what may be seen, heard and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trifuse.systems.surveillance.contract import EVENTS, MODALITIES
from trifuse.training.clips import subsets as clips
from trifuse.training.metrics import average_precision, placement_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The scene is seen: it goes with the video.
_SENSES = {"video": ("video", "scene"), "audio": ("audio",), "text": ("text",)}


def subsets() -> dict[str, NDArray[np.float32]]:
    """Name every subset of video, audio and text, with the modalities (4,) that it admits."""
    return clips.subsets(_SENSES, MODALITIES)


def headline_values(probabilities: NDArray[np.float32], labels: NDArray[np.bool_]) -> dict[str, list[float]]:
    """List the values that the headline figures are means of: the AUC of abnormal, the AP of every event."""
    return {
        "auc": placement_values(probabilities[:, 0], labels[:, 0]).tolist(),
        "event_ap": list(event_precisions(probabilities, labels).values()),
    }


def event_precisions(probabilities: NDArray[np.float32], labels: NDArray[np.bool_]) -> dict[str, float]:
    """Compute the average precision of every event that occurs.

    Windows that are abnormal without an event are left out: which one it is was not told.
    """
    told = ~labels[:, 0] | labels[:, 1:].any(axis=1)
    probabilities, labels = probabilities[told], labels[told]
    found = {}
    for column, event in enumerate(EVENTS, 1):
        if labels[:, column].any():
            order = np.argsort(-probabilities[:, column], kind="stable")
            found[event] = float(average_precision(labels[order, column][None])[0])
    return found
