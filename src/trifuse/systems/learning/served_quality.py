"""Quality of the learning system as clients get it: every observation comes from the running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from trifuse.catalog import read_catalog
from trifuse.catalog_windows import read_windows
from trifuse.client.encoding import bytes_tensor
from trifuse.systems import PROFILES
from trifuse.systems.learning.client import LearningClient, canary_inputs
from trifuse.systems.learning.contract import BEHAVIOURS, contract
from trifuse.systems.learning.labels import label_of
from trifuse.systems.learning.quality import details, figures, headline

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.client import TritonClient

# These settings are the same in every profile, but for the frames.
_SETTINGS = contract(PROFILES[0]).settings
_SHOWN = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "ordinal_mse": "attention, mean squared error",
    "kappa": "attention, quadratic kappa",
}


def measure(triton: TritonClient, manifest: Path, split: str) -> dict[str, Any]:
    """Observe a split's windows, decoded here and told by the server.

    `headline` are the figures that the build chain compares its stages by.
    """
    items, client = read_catalog(manifest, split), LearningClient(triton)
    labels = np.array([label_of(item) for item in items])
    found = client.observe_many(read_windows(items, manifest.parent, _SETTINGS, client.frame_shape))
    behaviours = np.array([list(one.behaviours.values()) for one in found], np.float32)
    attention = np.array([one.levels for one in found], np.float32)
    return {
        "headline": headline(behaviours, attention, labels),
        "figures": figures(behaviours, attention, labels),
        **details(behaviours, attention, labels),
    }


def example_inputs(manifest: Path, split: str) -> dict[str, NDArray[Any]]:
    """Take the split's first window that is a whole file, else the canary: one item for the clip ensemble."""
    items = (item for item in read_catalog(manifest, split) if "end_s" not in item.attributes)
    found = canary_inputs()
    if whole := next(items, None):
        found["clip"] = bytes_tensor([whole.path.read_bytes()])
    return found


def table(report: dict[str, Any]) -> Table:
    """Show what `measure` found."""
    told = ", ".join(f"{_SHOWN[name]} {value:.3f}" for name, value in report["figures"].items())
    rows = Table("behaviour", "windows", "F1", title=f"{report['windows']} windows", caption=told)
    for name in BEHAVIOURS:
        value = report["f1"].get(name)
        rows.add_row(name, str(report["positives"][name]), "" if value is None else f"{value:.3f}")
    return rows
