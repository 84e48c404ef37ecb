"""How well are real fights told from other clips? `python benchmarks/fight_clips.py CLIPS/manifest.jsonl`.

Cross-validates by source: in every fold a teacher is trained from scratch on the other sources' clips, then
distilled and pruned by the build chain, and all three judge the fold's clips, as does the mean difference of
neighbouring frames. The manifest's lines have `id`, `path`, `label` (`fight` or another), `source_group` and
`audio` (`sound` where there is something to hear). Folds that are done are kept.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from trifuse.artifacts import digest, write_file
from trifuse.catalog import MANIFEST_NAME, read_catalog
from trifuse.command_line import run
from trifuse.preprocessing.video import VideoSettings
from trifuse.reporting import machine
from trifuse.stages.chain import DISTILL, PRUNE, TRAIN, Build, load_model, read_assets
from trifuse.stages.distill import distill
from trifuse.stages.distill import inputs as distill_inputs
from trifuse.stages.prune import inputs as prune_inputs
from trifuse.stages.prune import prune
from trifuse.stages.train import TrainOptions, train
from trifuse.stages.train import inputs as train_inputs
from trifuse.synthesis.production import json_lines
from trifuse.systems.surveillance.contract import DECISIONS, MODALITIES
from trifuse.systems.surveillance.evaluation import scores
from trifuse.training.clips.evaluation import encode
from trifuse.training.metrics import area_under_roc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

SYSTEM, FIGHT = "surveillance", "fight"
MODELS = {"teacher": TRAIN, "student": DISTILL, "pruned": PRUNE}
BASELINE = "frame difference"
# Who is heard may tell, but whether a file has sound must not.
SENSES = {"video": ("video",), "audio": ("audio",), "video + audio": ("video", "audio")}
_RESAMPLES = 2000

console = Console()


@dataclass(frozen=True)
class FoldBuild(Build):
    """A build of one fold; how much a step costs is what is measured here, so that none is refused."""

    @cached_property
    def recipe(self) -> Any:
        """The profile's recipe without bounds on what compression costs."""
        known = self.component("recipe").recipe(self.profile)
        parts = ("distillation", "pruning")
        return replace(known, **{name: replace(getattr(known, name), tolerance=1.0) for name in parts})


def main() -> None:
    """Train and judge fold by fold, then print the table and write the report."""
    options = parse()
    rows = [json.loads(line) for line in options.manifest.read_text(encoding="utf-8").splitlines()]
    folds = split(rows, options.folds)
    judged: dict[tuple[str, str], dict[str, float]] = {}
    for number in range(options.folds):
        held = {row["id"] for row in rows if folds[row["source_group"]] == number}
        console.print(f"[bold cyan]▸ fold {number + 1} of {options.folds}[/]: {len(held)} clips held out")
        manifest = write_fold(options.folder / f"fold{number}", options.manifest.parent, rows, held)
        build = FoldBuild(SYSTEM, options.profile, options.folder / f"fold{number}")
        compress(build, TrainOptions(manifest))
        for name, found in judge(build, manifest).items():
            judged.setdefault(name, {}).update(found)
    report = {
        "machine": machine(),
        "data": digest(options.manifest),
        "profile": options.profile,
        "folds": options.folds,
        "sources": len(folds),
        "figures": figures(rows, judged),
    }
    write_file(options.output, json.dumps(report, indent=1) + "\n")
    console.print(table(report))
    console.print(str(options.output), highlight=False)


def split(rows: Sequence[Mapping[str, Any]], folds: int) -> dict[str, int]:
    """Give each source a fold, the largest sources first, each to the fold that has the fewest clips."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["source_group"]] = counts.get(row["source_group"], 0) + 1
    held = [0] * folds
    found = {}
    for source in sorted(counts, key=lambda name: (-counts[name], name)):
        found[source] = held.index(min(held))
        held[found[source]] += counts[source]
    return found


def write_fold(folder: Path, home: Path, rows: Sequence[Mapping[str, Any]], held: set[str]) -> Path:
    """Write the manifest of a fold for the build chain."""
    lines = (
        {
            "id": row["id"],
            "path": os.path.relpath(home / row["path"], folder),
            "split": "validation" if row["id"] in held else "train",
            "source": row["source_group"],
            "events": [FIGHT] if row["label"] == FIGHT else [],
        }
        for row in rows
    )
    manifest = folder / MANIFEST_NAME
    write_file(manifest, json_lines(lines))
    return manifest


def compress(build: Build, options: TrainOptions) -> None:
    """Train, distil and prune what is not done."""
    if not build.is_current(TRAIN, train_inputs(build, options)):
        train(build, options)
    if not build.is_current(DISTILL, distill_inputs(build)):
        distill(build)
    if not build.is_current(PRUNE, prune_inputs(build)):
        prune(build)


def judge(build: Build, manifest: Path) -> dict[tuple[str, str], dict[str, float]]:
    """Score the held-out clips: by model and senses, each clip's probability of a fight."""
    bench: Any = build.workbench(manifest, read_assets(build.folder(TRAIN)))
    data, video = bench.validation, VideoSettings.of(build.contract.settings)
    ids = [item.id for item in read_catalog(manifest, "validation")]
    found = {}
    for name, stage in MODELS.items():
        model = load_model(build, stage)
        tokens = encode(model, data, video)
        for senses, admitted in SENSES.items():
            mask = torch.tensor([[float(modality in admitted) for modality in MODALITIES]])
            column = scores(model, tokens, data, data.present * mask)[:, DECISIONS.index(FIGHT)]
            found[name, senses] = dict(zip(ids, column.tolist(), strict=True))
    found[BASELINE, "video"] = dict(zip(ids, motion(data.decoded.frames).tolist(), strict=True))
    return found


def motion(frames: torch.Tensor) -> NDArray[np.float64]:
    """Average the differences of neighbouring frames, (n, T, S, S, 3) to (n,) in 0 to 1."""
    steps = frames.to(torch.float32).diff(dim=1).abs().mean(dim=(1, 2, 3, 4)) / 255
    return np.asarray(steps.double().numpy())


def figures(
    rows: Sequence[Mapping[str, Any]], judged: Mapping[tuple[str, str], Mapping[str, float]]
) -> list[dict[str, Any]]:
    """Compute AUC and accuracy of every judge, on all clips and on those with sound."""
    found = []
    for clips, kept in (("all", rows), ("with sound", [row for row in rows if row["audio"] == "sound"])):
        labels = np.array([row["label"] == FIGHT for row in kept])
        groups = np.array([row["source_group"] for row in kept])
        for (name, senses), told in judged.items():
            if clips == "all" and "audio" in senses:
                continue
            values = np.array([told[row["id"]] for row in kept])
            found.append(
                {
                    "clips": clips,
                    "count": len(kept),
                    "fights": int(labels.sum()),
                    "judge": name,
                    "senses": senses,
                    "auc": interval(values, labels, groups, area_under_roc),
                    "accuracy": None if name == BASELINE else interval(values, labels, groups, accuracy),
                }
            )
    return found


def accuracy(values: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Share of clips whose calibrated probability is on the right side of one half."""
    return float(((values >= 0.5) == labels).mean())


def interval(
    values: NDArray[np.float64], labels: NDArray[np.bool_], groups: NDArray[np.str_], measure: Any
) -> dict[str, float]:
    """Compute a figure with its 95 % interval over sources: clips of one source look alike."""
    generator, names = np.random.default_rng(0), np.unique(groups)
    places = {name: np.flatnonzero(groups == name) for name in names}
    drawn: list[float] = []
    while len(drawn) < _RESAMPLES:
        chosen = np.concatenate([places[name] for name in generator.choice(names, len(names))])
        if 0 < labels[chosen].sum() < len(chosen):
            drawn.append(measure(values[chosen], labels[chosen]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"mean": measure(values, labels), "low": float(low), "high": float(high)}


def table(report: Mapping[str, Any]) -> Table:
    """Show a line for every judge."""
    caption = (
        f"{report['folds']} folds by {report['sources']} sources, {report['profile']} sizes, from scratch; "
        f"95 % intervals over sources; {report['machine']}"
    )
    shown = Table("clips", "judge", "sees", "AUC", "accuracy", title="real clips", caption=caption)
    for row in report["figures"]:
        clips = f"{row['clips']}: {row['count']}, {row['fights']} fights"
        shown.add_row(clips, row["judge"], row["senses"], _text(row["auc"]), _text(row["accuracy"]))
    return shown


def _text(found: Mapping[str, float] | None) -> str:
    return f"{found['mean']:.3f} ({found['low']:.3f}–{found['high']:.3f})" if found else ""


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path, help="the clips' manifest.jsonl")
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--folder", type=Path, default=Path("artifacts/fight_clips"))
    parser.add_argument("--output", type=Path, default=Path("artifacts/fight_clips/report.json"))
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
