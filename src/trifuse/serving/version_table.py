"""The published versions of a system, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.filesize import decimal
from rich.table import Table

from trifuse import systems
from trifuse.errors import ConfigurationError
from trifuse.serving.versions import published_versions, served_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SHOWN_METRICS = 3


def describe_versions(repository: Path, system: str) -> dict[str, Any]:
    """Describe every published version and name the one that is served; sizes are bytes, times UTC.

    Raises ConfigurationError when there is none and ArtifactError when the repository is damaged.
    """
    bundles = published_versions(repository, system)
    if not bundles:
        raise ConfigurationError(
            f"{system} is not published in {repository}",
            hint=f"Publish it first: python build/publish.py {system}",
        )
    latest = bundles[max(bundles)]
    versions = [
        {
            "version": version,
            "published": bundle.details.get("published", ""),
            "profile": bundle.profile,
            "contract_hash": bundle.contract_hash,
            "size": sum(bundle.sizes.values()),
            "metrics": bundle.metrics,
        }
        for version, bundle in bundles.items()
    ]
    served = served_version(repository, systems.contract(system, latest.profile))
    return {"system": system, "repository": str(repository), "served": served, "versions": versions}


def version_table(description: Mapping[str, Any]) -> Table:
    """Draw what `describe_versions` found, with the beginnings of the contract hashes."""
    table = Table(
        title=f"{description['system']} in {description['repository']}", box=None, padding=(0, 2, 0, 0)
    )
    for column in ("version", "served", "published (UTC)", "profile", "contract", "size"):
        table.add_column(column, no_wrap=True)
    table.add_column("metrics")
    for entry in description["versions"]:
        table.add_row(
            str(entry["version"]),
            "yes" if entry["version"] == description["served"] else "",
            entry["published"][:16].replace("T", " "),
            entry["profile"],
            entry["contract_hash"][:8],
            decimal(entry["size"]),
            "\n".join(_main_metrics(entry["metrics"])),
        )
    return table


def _main_metrics(metrics: Mapping[str, Any]) -> list[str]:
    """Choose the ones nearest to the top; the others are their details."""
    numbers = sorted(_numbers(metrics), key=lambda number: number[0])[:_SHOWN_METRICS]
    return [f"{name} {value:.3g}" for _, name, value in numbers]


def _numbers(metrics: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[int, str, float]]:
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from _numbers(value, depth + 1)
        elif isinstance(value, int | float):
            yield depth, name, value
