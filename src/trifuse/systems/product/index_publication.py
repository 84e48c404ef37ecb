"""Embeds a catalogue through a running server, and publishes it as the next version of the index."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trifuse.artifacts import Manifest, stage_folder, write_manifest
from trifuse.client.indexing import Outcome, embed_items
from trifuse.client.journal import Journal
from trifuse.client.triton import TritonClient
from trifuse.errors import ConfigurationError, InputError
from trifuse.retrieval.index import IndexSettings
from trifuse.retrieval.writing import check_same_encoders, write_index
from trifuse.serving.live import LiveServer
from trifuse.serving.services import publish_service, served_service_version, service_versions
from trifuse.systems.product import cataloguing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trifuse.catalog import Item
    from trifuse.contracts import SystemContract

SERVICE = "index"


@dataclass(frozen=True)
class IndexPublisher:
    """Publishes into a repository what the server at `url` (gRPC) loads; `definition` holds the shims."""

    repository: Path
    contract: SystemContract
    definition: Path
    url: str

    def build(self, items: Sequence[Item]) -> tuple[int, Outcome]:
        """Publish an index of these items alone. Returns its version and what came of the items.

        Raises InputError when no item can be used, and ServerError.
        """
        return self._publish(items, (), None)

    def change(self, items: Sequence[Item] = (), deleted: Sequence[str] = ()) -> tuple[int, Outcome]:
        """Publish the index that is served, without the documents `deleted`, with items added or replaced.

        Raises ConfigurationError without an index, ContractMismatchError when it was made with other encoders
        than are served, and ServerError.
        """
        served = served_service_version(self.repository, self.contract, SERVICE)
        if served is None:
            raise ConfigurationError(
                "there is no index to change", hint="Build one: python clients/index.py build CATALOG"
            )
        found = service_versions(self.repository, self.contract, SERVICE)[served].details["settings"]
        return self._publish(items, deleted, IndexSettings(**found))

    def _publish(
        self, items: Sequence[Item], deleted: Sequence[str], kept: IndexSettings | None
    ) -> tuple[int, Outcome]:
        root = self.repository.resolve().parent
        path = stage_folder(root, self.contract.system, SERVICE) / "embeddings.sqlite"
        with ExitStack() as stack:
            journal = stack.enter_context(Journal(path))
            encoder = cataloguing.Encoder(stack.enter_context(TritonClient(self.url)))
            if kept:
                check_same_encoders(kept, encoder.version)
            server = stack.enter_context(LiveServer(self.url))
            outcome = embed_items(items, encoder, journal, encoder.identity)
            if items and len(outcome.problems) == len(items):
                problem = next(iter(outcome.problems.values()))
                raise InputError("no item of the catalogue can be used", got=problem)

            settings = kept or self._calibrated(encoder, items, journal)

            def make(folder: Path, previous: Path | None) -> None:
                entries = cataloguing.entries(items, journal)
                details = write_index(folder, settings, entries, deleted, previous if kept else None)
                write_manifest(folder, self._manifest(details))

            arguments = (self.repository, self.contract, SERVICE, self.definition, make, server)
            return publish_service(*arguments), outcome

    def _calibrated(
        self, encoder: cataloguing.Encoder, items: Sequence[Item], journal: Journal
    ) -> IndexSettings:
        entries = list(cataloguing.entries(cataloguing.sample(items), journal))
        return cataloguing.settings(encoder.version, threshold=encoder.threshold(entries))

    def _manifest(self, details: dict[str, object]) -> Manifest:
        contract = self.contract
        return Manifest(contract.system, SERVICE, contract.profile, contract.hash, details=details)
