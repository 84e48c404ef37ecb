"""Quality of the surveillance system as clients get it: every assessment comes from the running server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from trifuse.catalog import Item, read_catalog
from trifuse.catalog_windows import read_windows
from trifuse.client.encoding import bytes_tensor
from trifuse.systems import PROFILES
from trifuse.systems.surveillance.client import SurveillanceClient, Window, canary_inputs
from trifuse.systems.surveillance.contract import ABNORMAL, DECISIONS, EVENTS, SCENE_DIM, contract
from trifuse.systems.surveillance.manifest import label_of, watch_scenes
from trifuse.systems.surveillance.quality import event_precisions, headline_values
from trifuse.training.metrics import average_precision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trifuse.client import TritonClient


def measure(triton: TritonClient, manifest: Path, split: str) -> dict[str, Any]:
    """Assess a split's windows, decoded here and scored by the server.

    `headline` are the figures that the build chain compares its stages by.
    """
    items, client = read_catalog(manifest, split), SurveillanceClient(triton)
    labels = np.array([label_of(item) for item in items])
    found = client.assess_many(watched_windows(items, manifest.parent, client.frame_shape))
    scores = np.array([[one.abnormal, *one.events.values()] for one in found], np.float32)
    thresholds = np.array([[one.thresholds[name] for name in DECISIONS] for one in found])
    headline = {name: float(np.mean(values)) for name, values in headline_values(scores, labels).items()}
    precisions = {ABNORMAL: _precision(scores[:, 0], labels[:, 0])} | event_precisions(scores, labels)
    decided = _decided(scores >= thresholds, labels)
    rows = {name: {"average_precision": precisions.get(name), **decided[name]} for name in DECISIONS}
    return {"windows": len(items), "headline": headline, "decisions": rows}


def watched_windows(items: Sequence[Item], folder: Path, frame_shape: tuple[int, int]) -> list[Window]:
    """Decode windows, scenes too, for a served model with frames of this (count, size)."""
    settings = contract(PROFILES[0]).settings
    with ThreadPoolExecutor() as pool:
        scenes = watch_scenes(items, float(str(settings["scene_history_s"])), pool)
    windows = read_windows(items, folder, settings, frame_shape)
    return [Window(one.frames, one.pcm, one.text, scene) for one, scene in zip(windows, scenes, strict=True)]


def example_inputs(manifest: Path, split: str) -> dict[str, NDArray[Any]]:
    """Take the split's first window that is a whole file, else the canary: one item for the clip ensemble."""
    items = (item for item in read_catalog(manifest, split) if "end_s" not in item.attributes)
    found: dict[str, NDArray[Any]] = {**canary_inputs(), "scene": np.zeros((1, SCENE_DIM), np.float32)}
    if whole := next(items, None):
        found["clip"] = bytes_tensor([whole.path.read_bytes()])
    return found


def _precision(scores: NDArray[np.float32], labels: NDArray[np.bool_]) -> float:
    return float(average_precision(labels[np.argsort(-scores, kind="stable")][None])[0])


def _decided(found: NDArray[np.bool_], labels: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    """Count for each decision how often it is right: precision and recall at the served thresholds."""
    hits = (found & labels).sum(axis=0)
    precision, recall = hits / np.maximum(found.sum(axis=0), 1), hits / np.maximum(labels.sum(axis=0), 1)
    rows = zip(DECISIONS, labels.sum(axis=0).tolist(), precision.tolist(), recall.tolist(), strict=True)
    return {name: {"positives": n, "precision": p, "recall": r} for name, n, p, r in rows}


def table(report: dict[str, Any]) -> Table:
    """Show what `measure` found."""
    headline = report["headline"]
    rows = Table(
        "decision",
        "windows",
        "average precision",
        "precision",
        "recall",
        title=f"{report['windows']} windows, at the served thresholds",
        caption=f"AUC of abnormal {headline['auc']:.3f}, mean AP of the events {headline['event_ap']:.3f}",
    )
    for name in (ABNORMAL, *EVENTS):
        found = report["decisions"][name]
        figures = (found["average_precision"], found["precision"], found["recall"])
        shown = ("" if value is None else f"{value:.3f}" for value in figures)
        rows.add_row(name, str(found["positives"]), *shown)
    return rows
