"""The report of a build: every stage's quality, size and latency, measured on this machine in one run."""

from __future__ import annotations

import datetime
import json
import shutil
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from trifuse.artifacts import MANIFEST, digest, new_folder, read_manifest, write_manifest
from trifuse.compression.report import Candidate, StageRow, html
from trifuse.export.runtime import OnnxModel, first_items, median_latencies_ms, open_session
from trifuse.reporting import machine
from trifuse.serving.versions import bundle_path, served_version
from trifuse.stages.chain import DISTILL, EXPORT, PRUNE, QUANTIZE, TRAIN, Build, read_assets
from trifuse.stages.export import export_model
from trifuse.stages.quantize import BATCHES
from trifuse.stages.served import measure_served

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trifuse.export.runtime import Arrays

REPORT, PAGE, ROWS = "report", "report.html", "rows.json"
LABELS = {TRAIN: "teacher", DISTILL: "student", PRUNE: "pruned", QUANTIZE: "quantised"}


def inputs(build: Build, repository: Path) -> dict[str, str]:
    """Identify everything that decides what the report says."""
    stages = {stage: build.source_digest(stage) for stage in (*LABELS, EXPORT)}
    served = served_version(repository, build.contract)
    bundle = bundle_path(repository, build.system, served)
    return stages | {"machine": machine(), "published": digest(bundle)}


def report(build: Build, repository: Path) -> Path:
    """Measure all stages' parts in turn, then the published system through a server; returns the folder."""
    made_from = inputs(build, repository)
    exported = {TRAIN: _exported(build, TRAIN), DISTILL: _exported(build, DISTILL)}
    exported |= {PRUNE: build.folder(EXPORT), QUANTIZE: build.folder(QUANTIZE)}
    costs = {stage: _cost(folder) for stage, folder in exported.items() if stage != QUANTIZE}
    costs[QUANTIZE] = costs[PRUNE]
    data = build.trained_on()
    bench = build.workbench(data, read_assets(build.folder(EXPORT)))
    latencies = _latencies(build, exported, bench.samples(max(BATCHES)))
    rows = [
        StageRow(
            stage=LABELS[stage],
            quality=read_manifest(build.folder(stage)).metrics["validation"],
            bytes=sum(path.stat().st_size for path in folder.glob("*.onnx")),
            latency_ms={batch: sum(latencies[stage][batch].values()) for batch in BATCHES},
            **costs[stage],
        )
        for stage, folder in exported.items()
    ]
    rows.append(measure_served(build, repository, data))
    with new_folder(build.folder(REPORT)) as folder:
        (folder / PAGE).write_text(_page(build, rows), encoding="utf-8")
        content = {"machine": machine(), "rows": [asdict(row) for row in rows], "parts_ms": latencies}
        (folder / ROWS).write_text(json.dumps(content, indent=2) + "\n")
        write_manifest(folder, build.new_manifest(REPORT, inputs=made_from, details={"machine": machine()}))
    shutil.rmtree(build.work(REPORT), ignore_errors=True)
    return build.folder(REPORT)


def read_rows(folder: Path) -> list[StageRow]:
    """Read the rows of a report; batch sizes are numbers again."""
    rows = json.loads((folder / ROWS).read_text())["rows"]
    return [
        StageRow(**row | {"latency_ms": {int(batch): value for batch, value in row["latency_ms"].items()}})
        for row in rows
    ]


def title(build: Build) -> str:
    """Head the report."""
    return f"{build.system} {build.profile}"


def _exported(build: Build, stage: str) -> Path:
    """Export a stage whose parts no other stage needs; one that was killed goes on with what is there."""
    folder = build.work(REPORT) / f"{stage}-{build.source_digest(stage)[:16]}"
    if not (folder / MANIFEST).is_file():
        with new_folder(folder) as new:
            parts = export_model(build, stage, new)
            write_manifest(new, build.new_manifest(stage, details={"parts": parts}))
    return folder


def _cost(folder: Path) -> dict[str, int]:
    parts = read_manifest(folder).details["parts"].values()
    return {name: sum(part[name] for part in parts) for name in ("parameters", "macs")}


def _latencies(
    build: Build, exported: Mapping[str, Path], samples: Arrays
) -> dict[str, dict[int, dict[str, float]]]:
    """Time every part of every stage in one run: `{stage: {batch: {part: median ms}}}`."""
    names = [part.name for part in build.contract.parts]
    calls: dict[tuple[str, int, str], Any] = {}
    for stage, folder in exported.items():
        paths = {name: folder / f"{name}.onnx" for name in names}
        fed = OnnxModel(build.contract, paths).feed(samples)
        for name, path in paths.items():
            session = open_session(path)
            for batch in BATCHES:
                calls[stage, batch, name] = partial(session.run, None, first_items(fed[name], batch))
    medians = median_latencies_ms(calls, build.recipe.quantization.repeats)
    return {
        stage: {batch: {name: medians[stage, batch, name] for name in names} for batch in BATCHES}
        for stage in exported
    }


def _page(build: Build, rows: list[StageRow]) -> str:
    quantized = read_manifest(build.folder(QUANTIZE)).details
    candidates = [
        Candidate(
            part=part,
            variant=variant,
            quality=found.get("dev", {}),
            latency_ms={int(batch): value for batch, value in found["latency_ms"].items()},
            chosen=quantized["choice"][part] == variant,
        )
        for part, variants in quantized["candidates"].items()
        for variant, found in variants.items()
    ]
    notes = [
        "Quality is that of the validation part. The candidates' is that of the dev part, which chooses.",
        "Latency is the sum over all parts, each run once by ONNX Runtime in one process, medians; "
        "as served it is a whole request of one client over gRPC, photos decoded in the server.",
    ]
    members = {name: getattr(build.recipe, name) for name in ("teacher", "student")}
    notes += [f"{name}: {_describe(asdict(member))}" for name, member in members.items()]
    return html(
        rows,
        title=f"{title(build)}: what every stage cost and brought",
        machine=machine(),
        date=datetime.datetime.now(datetime.UTC).date(),
        notes=notes,
        candidates=candidates,
    )


def _describe(member: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{part} {', '.join(f'{name} {value}' for name, value in settings.items() if value is not None)}"
        for part, settings in member.items()
    )
