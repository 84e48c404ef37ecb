"""Importers: every module in this folder reads one published data set, and is found by its name.

Such a module has `LAYOUT`, the files that must be there, and `rows(job)`, which yields the catalogue's rows
and writes what the data set has beside them.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from trifuse.artifacts import new_file
from trifuse.catalog import MANIFEST_NAME
from trifuse.errors import ArtifactError, ConfigurationError
from trifuse.systems.product.importers.shared.job import Job

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

# The unfinished files that `new_file` leaves when the process is killed.
_UNFINISHED = (".manifest.jsonl.*", ".transactions.csv.*", ".queries.jsonl.*")


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


def available() -> tuple[str, ...]:
    """List the data sets that can be imported."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg))


def import_catalog(source: str, folder: Path, output: Path) -> Imported:
    """Turn a published data set into a catalogue in `output`; the manifest is written last.

    Photos that lie as files stay where they are: the manifest points to them. Bad rows and photos are
    left out and counted. Raises ConfigurationError for an unknown source and for an output folder that holds
    another catalogue, ArtifactError for a data set that is incomplete or has nothing to import.
    """
    importer = _importer(source)
    with Progress(console=Console(stderr=True)) as progress:
        job = Job(folder.resolve(), output.resolve(), progress)
        job.require(importer.LAYOUT)
        _clear(job.output, source)
        items: Counter[str] = Counter()
        with new_file(job.output / MANIFEST_NAME) as file:
            for row in importer.rows(job):
                file.write(json.dumps(row | {"source": source}, ensure_ascii=False) + "\n")
                items[row["split"]] += 1
            if not items:
                raise ArtifactError(
                    f"{folder} has nothing that can be imported",
                    got=dict(job.left_out) or "no rows",
                    expected="products with a photo and a name",
                )
    return Imported(output / MANIFEST_NAME, items, job.left_out)


def _importer(source: str) -> ModuleType:
    if source not in available():
        raise ConfigurationError(
            "there is no such importer", got=repr(source), expected=f"one of {', '.join(available())}"
        )
    return importlib.import_module(f"{__name__}.{source}")


def _clear(output: Path, source: str) -> None:
    """Take away the manifest of an earlier import; keep a catalogue that something else made."""
    manifest = output / MANIFEST_NAME
    if manifest.is_file():
        with manifest.open("rb") as file:
            if f'"source": "{source}"'.encode() not in file.readline():
                raise ConfigurationError(
                    "the folder holds another catalogue",
                    got=manifest,
                    hint="Choose another folder with --output",
                )
        manifest.unlink()
    for pattern in _UNFINISHED:
        for leftover in output.glob(pattern):
            leftover.unlink()
