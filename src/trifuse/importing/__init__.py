"""Importing published data sets: a module of a system's `importers` package reads one, found by its name.

Such a module has `LAYOUT`, the files that must be there, and `rows(job)`, which yields the manifest's rows
and writes what the data set has beside them. The package has `WRITES`, the names of those further files,
and `IMPORTABLE`, what a data set must have.
"""

from __future__ import annotations

import importlib.util
import json
import pkgutil
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from trifuse.artifacts import new_file
from trifuse.catalog import MANIFEST_NAME
from trifuse.errors import ArtifactError, ConfigurationError
from trifuse.importing.job import Job
from trifuse.systems import available, component

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import ModuleType

    from trifuse.importing.rows import Row


@dataclass(frozen=True)
class Imported:
    """The manifest that was written, the items of each split, and how much was left out for which reason."""

    manifest: Path
    items: Counter[str]
    left_out: Counter[str]

    def report(self) -> str:
        """Write the counts, one a line."""
        counts = [f"{count:,} items for {split}" for split, count in sorted(self.items.items())]
        counts += [f"{count:,} left out: {reason}" for reason, count in self.left_out.most_common()]
        return "\n".join(counts)


def systems() -> tuple[str, ...]:
    """List the systems that have importers."""
    return tuple(
        name for name in available() if importlib.util.find_spec(f"trifuse.systems.{name}.importers")
    )


def sources(system: str) -> tuple[str, ...]:
    """List the data sets that can be imported for a system.

    Raises ConfigurationError for a system that is unknown or has no importers.
    """
    if system not in systems():
        raise ConfigurationError(
            "there is no system with importers of this name",
            got=repr(system),
            expected=f"one of {', '.join(systems())}",
        )
    modules = pkgutil.iter_modules(component(system, "importers").__path__)
    return tuple(sorted(module.name for module in modules if not module.ispkg))


def import_data(system: str, source: str, folder: Path, output: Path) -> Imported:
    """Turn a published data set into a system's data in `output`; the manifest is written last.

    Media that lie as files stay where they are: the manifest points to them. What is bad is left out and
    counted. Raises ConfigurationError for an unknown system or source and for an output folder that holds
    other data, ArtifactError for a data set that is incomplete or has nothing to import.
    """
    importer = _importer(system, source)
    package = component(system, "importers")
    with Progress(console=Console(stderr=True)) as progress:
        job = Job(folder.resolve(), output.resolve(), progress)
        job.require(importer.LAYOUT)
        _clear(job.output, source, package.WRITES)
        items: Counter[str] = Counter()
        with new_file(job.output / MANIFEST_NAME) as file:
            for row in importer.rows(job):
                file.write(json.dumps(_with_source(row, source), ensure_ascii=False) + "\n")
                items[row["split"]] += 1
            if not items:
                raise ArtifactError(
                    f"{folder} has nothing that can be imported",
                    got=dict(job.left_out) or "no rows",
                    expected=package.IMPORTABLE,
                )
    return Imported(output / MANIFEST_NAME, items, job.left_out)


def _importer(system: str, source: str) -> ModuleType:
    if source not in sources(system):
        raise ConfigurationError(
            "there is no such importer", got=repr(source), expected=f"one of {', '.join(sources(system))}"
        )
    return component(system, f"importers.{source}")


def _with_source(row: Row, source: str) -> Row:
    """Say which data set a row is from; where the row names its source in there, that is `data set/name`."""
    return row | {"source": f"{source}/{row['source']}" if "source" in row else source}


def _clear(output: Path, source: str, writes: Iterable[str]) -> None:
    """Take away the manifest of an earlier import; keep data that something else made."""
    manifest = output / MANIFEST_NAME
    if manifest.is_file():
        with manifest.open("rb") as file:
            if not re.search(rb'"source": "%s["/]' % source.encode(), file.readline()):
                raise ConfigurationError(
                    "the folder holds another catalogue",
                    got=manifest,
                    hint="Choose another folder with --output",
                )
        manifest.unlink()
    for name in (MANIFEST_NAME, *writes):
        # The unfinished files that `new_file` leaves when the process is killed.
        for leftover in output.glob(f".{name}.*"):
            leftover.unlink()
