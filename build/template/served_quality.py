"""Quality of the template system as clients get it: every judgement comes from the running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from trifuse.catalog import read_catalog
from trifuse.catalog_windows import read_windows
from trifuse.client.encoding import bytes_tensor
from trifuse.systems import PROFILES
from trifuse.systems.template.client import TemplateClient
from trifuse.systems.template.contract import contract
from trifuse.systems.template.labels import label_of
from trifuse.systems.template.quality import headline

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.client import TritonClient


def measure(triton: TritonClient, manifest: Path, split: str) -> dict[str, Any]:
    """Judge a split's windows, decoded here and judged by the server."""
    items, client = read_catalog(manifest, split), TemplateClient(triton)
    settings = contract(PROFILES[0]).settings
    found = client.judge_many(read_windows(items, manifest.parent, settings, client.frame_shape))
    scores = np.array([list(one.classes.values()) for one in found])
    labels = np.array([label_of(item) for item in items])
    return {"windows": len(items), "headline": headline(scores, labels)}


def example_inputs(manifest: Path, split: str) -> dict[str, NDArray[Any]]:
    """Take the split's first window, one item for the inputs of the clip ensemble."""
    clip = read_catalog(manifest, split)[0].path
    return {"clip": bytes_tensor([clip.read_bytes()]), "text": bytes_tensor([b"nothing happens"])}


def table(report: dict[str, Any]) -> Table:
    """Show what `measure` found."""
    rows = Table("figure", "value", title=f"{report['windows']} windows")
    for name, value in report["headline"].items():
        rows.add_row(name, f"{value:.3f}")
    return rows
