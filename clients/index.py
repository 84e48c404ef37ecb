"""Build, change and publish the index of a catalogue that product search answers from."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table

from trifuse.catalog import find_manifest, read_catalog
from trifuse.client.command_line import Report, add_common_options, run
from trifuse.client.endpoint import DEFAULT_URLS
from trifuse.client.indexing import Outcome
from trifuse.serving.live import LiveServer
from trifuse.serving.services import roll_back_service, served_service_version, service_versions
from trifuse.serving.versions import published_contract
from trifuse.systems.product.index_publication import SERVICE, IndexPublisher

if TYPE_CHECKING:
    from trifuse.artifacts import Manifest

SYSTEM = "product"
DEFINITION = Path(__file__).resolve().parent.parent / "model_repository"
SHOWN_PROBLEMS = 20


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = add_command(commands, "build", build_index, "index a catalogue from nothing")
    add_catalog(build)
    upsert = add_command(commands, "upsert", upsert_items, "add the items of a catalogue, or replace them")
    add_catalog(upsert)
    delete = add_command(commands, "delete", delete_items, "take documents out by id")
    delete.add_argument("ids", nargs="+", metavar="ID")
    add_command(commands, "versions", list_versions, "list what is published")
    back = add_command(commands, "rollback", roll_back, "serve another published version")
    back.add_argument("version", type=int)
    return run(parser, lambda options: options.execute(options))


def add_command(commands: Any, name: str, execute: Any, purpose: str) -> argparse.ArgumentParser:
    """Add a command with the options of all."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=purpose, description=purpose)
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "--repository",
        type=Path,
        default=Path("artifacts/model_repository"),
        help="the folder that the server serves (default: %(default)s)",
    )
    add_common_options(parser)
    return parser


def add_catalog(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a catalogue."""
    parser.add_argument(
        "catalog", type=Path, metavar="CATALOG", help="the catalogue's manifest.jsonl, or its folder"
    )
    parser.add_argument("--split", help="only this split of the catalogue")


def build_index(options: argparse.Namespace) -> Report:
    """Embed a catalogue through the server and publish an index of it."""
    publisher = open_publisher(options)
    return _report(publisher, *publisher.build(read_catalog(find_manifest(options.catalog), options.split)))


def upsert_items(options: argparse.Namespace) -> Report:
    """Publish the index that is served with items added or replaced."""
    publisher = open_publisher(options)
    return _report(publisher, *publisher.upsert(read_catalog(find_manifest(options.catalog), options.split)))


def delete_items(options: argparse.Namespace) -> Report:
    """Publish the index that is served without some documents."""
    publisher = open_publisher(options)
    return _report(publisher, publisher.delete(options.ids), Outcome())


def list_versions(options: argparse.Namespace) -> Report:
    """List the published versions of the index."""
    contract = published_contract(options.repository, SYSTEM)
    served = served_service_version(options.repository, contract, SERVICE)
    table = Table("version", "documents", "encoders", "kind", "served")
    rows = []
    for version, manifest in service_versions(options.repository, contract, SERVICE).items():
        row = _row(version, manifest) | {"served": version == served}
        rows.append(row)
        table.add_row(
            *map(str, (version, row["documents"], row["encoders"], row["kind"], "*" * row["served"]))
        )
    return Report({"versions": rows}, table)


def roll_back(options: argparse.Namespace) -> Report:
    """Let the index serve another published version."""
    contract = published_contract(options.repository, SYSTEM)
    with LiveServer(options.url or DEFAULT_URLS["grpc"]) as server:
        roll_back_service(options.repository, contract, SERVICE, options.version, server)
    return Report({"version": options.version}, f"Version {options.version} of the index is served.")


def open_publisher(options: argparse.Namespace) -> IndexPublisher:
    """Take the repository and the server from the options."""
    contract = published_contract(options.repository, SYSTEM)
    return IndexPublisher(options.repository, contract, DEFINITION, options.url or DEFAULT_URLS["grpc"])


def _row(version: int, manifest: Manifest) -> dict[str, Any]:
    details = manifest.details
    return {
        "version": version,
        "documents": details["documents"],
        "encoders": details["settings"]["model_version"],
        "kind": details["vectors"]["kind"],
        "bytes": sum(manifest.sizes.values()),
    }


def _report(publisher: IndexPublisher, version: int, outcome: Outcome) -> Report:
    row = _row(version, service_versions(publisher.repository, publisher.contract, SERVICE)[version])
    problems = Table("id", "problem", title=f"{len(outcome.problems)} items cannot be used")
    for name, problem in list(outcome.problems.items())[:SHOWN_PROBLEMS]:
        problems.add_row(name, problem)
    text = (
        f"Version {version} of the index is served: {row['documents']} documents, {row['kind']} vectors. "
        f"Embedded now: {outcome.embedded}, before: {outcome.known}, unusable: {len(outcome.problems)}."
    )
    data = row | {"embedded": outcome.embedded, "known": outcome.known, "problems": outcome.problems}
    return Report(data, Group(*([problems] if outcome.problems else []), text))


if __name__ == "__main__":
    sys.exit(main())
