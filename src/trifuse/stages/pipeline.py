"""The whole build chain: what is missing or out of date is run, what is done is skipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifuse.stages import distill, export, prune, publish, quantize, report, train
from trifuse.stages.chain import DISTILL, EXPORT, PRUNE, QUANTIZE, TRAIN, Build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from trifuse.stages.train import TrainOptions


@dataclass(frozen=True)
class Step:
    """One step of the chain: whether it is done, and how to do it."""

    name: str
    is_done: Callable[[], bool]
    run: Callable[[], object]


def steps(build: Build, options: TrainOptions, repository: Path, definition: Path) -> Iterator[Step]:
    """Yield the steps in order; each one's state is to be asked when the ones before it are done."""

    def stage(name: str, inputs: Callable[[], dict[str, str]], run: Callable[[], object]) -> Step:
        return Step(name, lambda: build.is_current(name, inputs()), run)

    yield stage(TRAIN, lambda: train.inputs(build, options), lambda: train.train(build, options))
    yield stage(DISTILL, lambda: distill.inputs(build), lambda: distill.distill(build))
    yield stage(PRUNE, lambda: prune.inputs(build), lambda: prune.prune(build))
    yield stage(EXPORT, lambda: export.inputs(build, PRUNE), lambda: export.export(build, PRUNE))
    yield stage(QUANTIZE, lambda: quantize.inputs(build), lambda: quantize.quantize(build))
    yield Step(
        "publish",
        lambda: publish.is_published(build, repository),
        lambda: publish.publish(build, repository, definition),
    )
    yield stage(
        report.REPORT, lambda: report.inputs(build, repository), lambda: report.report(build, repository)
    )
