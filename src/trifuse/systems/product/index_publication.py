"""Embeds a catalogue through a running server, and publishes it as the next version of the index."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trifuse.artifacts import stage_folder
from trifuse.client.indexing import Outcome, embed_items
from trifuse.client.journal import Journal
from trifuse.client.triton import TritonClient
from trifuse.errors import ConfigurationError, InputError
from trifuse.retrieval.documents import Documents
from trifuse.retrieval.index import DOCUMENTS, read_settings
from trifuse.retrieval.writing import check_same_encoders, write_index
from trifuse.serving.live import LiveServer
from trifuse.serving.services import publish_service, served_service_version
from trifuse.systems.product import cataloguing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from trifuse.catalog import Item
    from trifuse.contracts import SystemContract
    from trifuse.retrieval.index import IndexSettings
    from trifuse.retrieval.writing import Entry

SERVICE = "index"
_SHOWN = 10


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
        return self._publish(items, None)

    def upsert(self, items: Sequence[Item]) -> tuple[int, Outcome]:
        """Publish the index that is served with items added or replaced.

        Raises ConfigurationError without an index, ContractMismatchError when it was made with other encoders
        than are served, and ServerError.
        """
        return self._publish(items, read_settings(self._served_folder()))

    def delete(self, ids: Sequence[str]) -> int:
        """Publish the index that is served without some documents, and return its version.

        Raises ConfigurationError without an index, InputError for ids that it does not have, and ServerError.
        """
        folder = self._served_folder()
        with Documents.open(folder / DOCUMENTS) as documents:
            unknown = set(ids) - documents.keys(ids).keys()
        if unknown:
            raise InputError("the index has no such documents", got=", ".join(sorted(unknown)[:_SHOWN]))
        with LiveServer(self.url) as server:
            return self._swap(server, read_settings(folder), (), ids, keep=True)

    def _publish(self, items: Sequence[Item], kept: IndexSettings | None) -> tuple[int, Outcome]:
        root = self.repository.resolve().parent
        path = stage_folder(root, self.contract.system, SERVICE) / "embeddings.sqlite"
        with ExitStack() as stack:
            journal = stack.enter_context(Journal(path))
            encoder = cataloguing.Encoder(stack.enter_context(TritonClient(self.url)))
            if kept:
                check_same_encoders(kept, encoder.version)
            server = stack.enter_context(LiveServer(self.url))
            outcome = embed_items(items, encoder, journal, encoder.identity)
            if len(outcome.problems) == len(items):
                problem = next(iter(outcome.problems.values()), "an empty catalogue")
                raise InputError("no item of the catalogue can be used", got=problem)
            settings = kept or self._calibrated(encoder, items, journal)
            entries = cataloguing.entries(items, journal)
            return self._swap(server, settings, entries, (), keep=bool(kept)), outcome

    def _swap(
        self,
        server: LiveServer,
        settings: IndexSettings,
        entries: Iterable[Entry],
        deleted: Sequence[str],
        *,
        keep: bool,
    ) -> int:
        def make(folder: Path, previous: Path | None) -> dict[str, dict[str, Any]]:
            kept = previous if keep else None
            return {"details": write_index(folder, settings, entries, deleted, kept)}

        return publish_service(self.repository, self.contract, SERVICE, self.definition, make, server)

    def _served_folder(self) -> Path:
        served = served_service_version(self.repository, self.contract, SERVICE)
        if served is None:
            raise ConfigurationError(
                "there is no index to change", hint="Build one: python clients/index.py build CATALOG"
            )
        return self.repository / self.contract.model_name(SERVICE) / str(served)

    def _calibrated(
        self, encoder: cataloguing.Encoder, items: Sequence[Item], journal: Journal
    ) -> IndexSettings:
        entries = list(cataloguing.entries(cataloguing.sample(items), journal))
        return cataloguing.settings(encoder.version, threshold=encoder.threshold(entries))
