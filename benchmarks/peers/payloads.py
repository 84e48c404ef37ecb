"""What clients send: generated items as files and texts, the same bytes to every server."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from benchmarks.peers.servers.chain import find_ensemble

from trifuse.artifacts import write_file
from trifuse.catalog import read_catalog
from trifuse.errors import ConfigurationError
from trifuse.systems import component

if TYPE_CHECKING:
    from pathlib import Path

    from trifuse.catalog import Item
    from trifuse.contracts import EnsembleSpec, SystemContract

    Payload = dict[str, bytes]

ITEMS = 40
_SEED = 1


def find(repository: Path, model: str) -> tuple[SystemContract, EnsembleSpec]:
    """Find a published ensemble by its model name. Raises ConfigurationError."""
    try:
        return find_ensemble(repository, model)
    except KeyError:
        raise ConfigurationError(
            f"{repository} serves no such ensemble",
            got=model,
            hint="Publish it: python benchmarks/publish_full_size.py SYSTEM, or name another --repository",
        ) from None


def make_payloads(system: str, ensemble: EnsembleSpec, folder: Path, items: int) -> list[Payload]:
    """Generate so many items, and take those that are files of their own, with their titles."""
    manifest = component(system, "generator").generate(folder, items=items, seed=_SEED)
    whole = [item for item in read_catalog(manifest) if "end_s" not in item.attributes]
    return [payload_of(item, ensemble) for item in whole]


def payload_of(item: Item, ensemble: EnsembleSpec) -> Payload:
    """Give an ensemble the file, and the title where it must have a text."""
    found = {}
    for tensor in ensemble.inputs:
        if tensor.media:
            found[tensor.name] = item.path.read_bytes()
        elif not tensor.optional:
            found[tensor.name] = (item.title_zh or item.title_en).encode()
    return found


def write_payloads(payloads: list[Payload], path: Path) -> None:
    """Write payloads for another process, as JSON with base64."""
    write_file(path, json.dumps([in_base64(payload) for payload in payloads]))


def in_base64(payload: Payload) -> dict[str, str]:
    """Encode a payload's bytes as text."""
    return {name: base64.b64encode(value).decode() for name, value in payload.items()}
