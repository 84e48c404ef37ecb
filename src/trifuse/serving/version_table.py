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

_SHOWN_METRICS = 4


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
    """Draw what `describe_versions` found."""
    columns = ("version", "served", "published", "profile", "contract", "size", "metrics")
    table = Table(*columns, title=f"{description['system']} in {description['repository']}")
    for entry in description["versions"]:
        shown = list(_numbers(entry["metrics"].get("validation", entry["metrics"])))[:_SHOWN_METRICS]
        table.add_row(
            str(entry["version"]),
            "yes" if entry["version"] == description["served"] else "",
            entry["published"],
            entry["profile"],
            entry["contract_hash"],
            decimal(entry["size"]),
            ", ".join(f"{name} {value:.3g}" for name, value in shown),
        )
    return table


def _numbers(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            yield f"{prefix}{name}", value
