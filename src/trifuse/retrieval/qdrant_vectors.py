"""A vector store in Qdrant: a server or cluster for a catalogue that outgrows one machine."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from trifuse.artifacts import new_folder, write_file
from trifuse.errors import (
    ArtifactError,
    ConfigurationError,
    EnvironmentSetupError,
    InputError,
    RequestError,
    ServerUnavailableError,
)
from trifuse.retrieval.attributes import kinds_after, values_of
from trifuse.retrieval.filters import AnyOf, Filters, Kind, Range
from trifuse.retrieval.ranking import NO_KEY, best, best_with_ties
from trifuse.retrieval.vectors import HEADER, check_search, check_upsert, read_header, unknown_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Found = tuple[NDArray[np.int64], NDArray[np.float32]]

API_KEY_VARIABLE = "QDRANT_API_KEY"
_DATA = "points.npz"
_BATCH = 256
_INDEX_TYPES = {Kind.TEXT: "keyword", Kind.NUMBER: "float", Kind.FLAG: "bool"}


class QdrantVectors:
    """Vectors in a Qdrant collection, made when it is not there.

    `url` reaches a server, with the key in the environment variable QDRANT_API_KEY; `path` keeps the
    collection in files (":memory:" in no file) and searches exactly, in this process. Every method can raise
    ServerUnavailableError or RequestError.
    """

    def __init__(
        self, dim: int, *, collection: str = "items", url: str | None = None, path: str | None = None
    ):
        self.dim, self.collection, self.url = dim, collection, url
        self._client, self._models = _connected(url, path)
        if not self._ask("collection_exists"):
            size = self._models.VectorParams(size=dim, distance=self._models.Distance.DOT)
            self._ask("create_collection", vectors_config=size, metadata={"attributes": {}})
        config = self._ask("get_collection").config
        if config.params.vectors.size != dim:
            raise ConfigurationError(
                f"the collection {collection!r} holds vectors of another length",
                got=config.params.vectors.size,
                expected=dim,
                hint="Choose another collection",
            )
        stored = (config.metadata or {}).get("attributes", {})
        self._kinds = {name: Kind[kind] for name, kind in stored.items()}

    def __len__(self) -> int:
        return int(self._ask("count", exact=True).count)

    def upsert(
        self, keys: NDArray[np.int64], vectors: NDArray[np.float32], attributes: Sequence[Mapping[str, Any]]
    ) -> None:
        """Store (n, dim) vectors with their attributes; a known key's are replaced. Raises InputError."""
        keys, vectors = check_upsert(self.dim, keys, vectors, attributes)
        self._learn(kinds_after(self._kinds, attributes))
        points = [
            self._models.PointStruct(id=key, vector=vector, payload=_payload(row))
            for key, vector, row in zip(keys.tolist(), vectors.tolist(), attributes, strict=True)
        ]
        for start in range(0, len(points), _BATCH):
            self._ask("upsert", points=points[start : start + _BATCH], wait=True)

    def delete(self, keys: NDArray[np.int64]) -> None:
        """Forget keys; unknown ones are ignored."""
        points = [key for key in np.asarray(keys, np.int64).tolist() if key >= 0]
        if points:
            self._ask("delete", points_selector=self._models.PointIdsList(points=points), wait=True)

    def search(self, queries: NDArray[np.float32], top: int, filters: Filters | None = None) -> Found:
        """Find (n, top) keys and scores, best first, ties by key. Raises InputError."""
        queries = check_search(self.dim, queries, top)
        stored = len(self)
        if not stored or not len(queries):
            return best(*_table([[]] * len(queries), 0), top)
        wanted = self._filter(filters) if filters else None

        def fetch(count: int) -> Found:
            requests = [
                self._models.QueryRequest(query=query, limit=count, filter=wanted)
                for query in queries.tolist()
            ]
            answers = self._ask("query_batch_points", requests=requests)
            return _table([[(point.id, point.score) for point in answer.points] for answer in answers], count)

        return best_with_ties(fetch, top, stored)

    def close(self) -> None:
        """Release the server, or the files for another process."""
        self._client.close()

    def matches(self, keys: NDArray[np.int64], filters: Filters) -> NDArray[np.bool_]:
        """Tell which keys are stored and match. Raises InputError for an unknown attribute."""
        points = [key for key in np.asarray(keys, np.int64).tolist() if key >= 0]
        if not len(self):
            return np.zeros(len(keys), bool)
        wanted = self._filter(filters)
        if not points:
            return np.zeros(len(keys), bool)
        wanted.must.append(self._models.HasIdCondition(has_id=points))
        found, _ = self._ask("scroll", scroll_filter=wanted, limit=len(points), with_payload=False)
        return np.isin(keys, np.array([point.id for point in found], np.int64))

    def vectors(self, keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """Give stored vectors, (n, dim). Raises InputError for an unknown key."""
        keys = np.asarray(keys, np.int64)
        points = [key for key in keys.tolist() if key >= 0]
        found = self._ask("retrieve", ids=points, with_payload=False, with_vectors=True) if points else []
        stored = {point.id: point.vector for point in found}
        unknown = [key for key in keys.tolist() if key not in stored]
        if unknown:
            raise unknown_keys(np.array(unknown))
        return np.array([stored[key] for key in keys.tolist()], np.float32).reshape(len(keys), self.dim)

    def save(self, folder: Path) -> None:
        """Write how to reach the collection on its server, or the content of one that is in this process."""
        header = {"adapter": "qdrant", "dim": self.dim, "collection": self.collection, "url": self.url}
        with new_folder(folder) as new:
            write_file(new / HEADER, json.dumps(header))
            if self.url is None:
                write_file(new / _DATA, self._content())

    @classmethod
    def load(cls, folder: Path) -> QdrantVectors:
        """Reach the saved collection again, or hold its content in memory. Raises ArtifactError."""
        header = read_header(folder)
        try:
            place = {"url": header["url"]} if header["url"] else {"path": ":memory:"}
            stored = cls(header["dim"], collection=header["collection"], **place)
            if not header["url"]:
                with np.load(folder / _DATA, allow_pickle=False) as content:
                    attributes = json.loads(str(content["attributes"]))
                    stored.upsert(content["keys"], content["vectors"], attributes)
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise ArtifactError(
                f"the vectors in {folder} cannot be read",
                got=error,
                hint="Build the index of the catalogue again",
            ) from error
        return stored

    def _learn(self, kinds: dict[str, Kind]) -> None:
        """Keep what new attributes hold with the collection, and let a server index them."""
        new = kinds.keys() - self._kinds.keys()
        if not new:
            return
        self._ask(
            "update_collection", metadata={"attributes": {name: kind.name for name, kind in kinds.items()}}
        )
        for name in new if self.url else ():
            self._ask("create_payload_index", field_name=_path(name), field_schema=_INDEX_TYPES[kinds[name]])
        self._kinds = kinds

    def _filter(self, filters: Filters) -> Any:
        filters.check(self._kinds)
        return self._models.Filter(must=[self._condition(*condition) for condition in filters.conditions])

    def _condition(self, name: str, condition: AnyOf | Range) -> Any:
        models, key = self._models, _path(name)
        if isinstance(condition, Range):
            limits = models.Range(gte=condition.minimum, lte=condition.maximum)
            return models.FieldCondition(key=key, range=limits)
        if condition.kind == Kind.TEXT:
            return models.FieldCondition(key=key, match=models.MatchAny(any=list(condition.values)))
        if condition.kind == Kind.FLAG:
            either = [models.MatchValue(value=value) for value in condition.values]
            return models.Filter(should=[models.FieldCondition(key=key, match=match) for match in either])
        equal = [models.Range(gte=value, lte=value) for value in condition.values]
        return models.Filter(should=[models.FieldCondition(key=key, range=limits) for limits in equal])

    def _content(self) -> bytes:
        points = list(self._points())
        file = io.BytesIO()
        np.savez(
            file,
            keys=np.array([point.id for point in points], np.int64),
            vectors=np.array([point.vector for point in points], np.float32).reshape(len(points), self.dim),
            attributes=np.array(json.dumps([point.payload for point in points])),
        )
        return file.getvalue()

    def _points(self) -> Iterator[Any]:
        offset = None
        while True:
            points, offset = self._ask("scroll", limit=_BATCH, offset=offset, with_vectors=True)
            yield from points
            if offset is None:
                return

    def _ask(self, operation: str, **arguments: Any) -> Any:
        """Run an operation of the client on the collection; its failures become errors of the tree."""
        from qdrant_client.http.exceptions import ApiException, ResponseHandlingException

        try:
            return getattr(self._client, operation)(collection_name=self.collection, **arguments)
        except ResponseHandlingException as error:
            raise ServerUnavailableError(
                f"no Qdrant server answers at {self.url}", got=error, hint="Start it, or correct its address"
            ) from error
        except ApiException as error:
            raise RequestError(f"Qdrant refuses {operation} on {self.collection!r}", got=error) from error


def _connected(url: str | None, path: str | None) -> tuple[Any, Any]:
    if (url is None) == (path is None):
        raise ConfigurationError(
            "a Qdrant collection is at a url or at a path", got=f"url={url}, path={path}"
        )
    try:
        from qdrant_client import QdrantClient, models
    except ImportError as error:
        raise EnvironmentSetupError(
            "the Qdrant client is not installed", hint="Install it: pip install 'trifuse[retrieval]'"
        ) from error
    if url:
        return QdrantClient(url=url, api_key=os.environ.get(API_KEY_VARIABLE)), models
    return (QdrantClient(":memory:") if path == ":memory:" else QdrantClient(path=path)), models


def _payload(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Keep attributes as lists; numbers as floats, because Qdrant tells the two apart."""
    return {
        name: [float(value) if type(value) is int else value for value in values_of(held)]
        for name, held in attributes.items()
    }


def _path(name: str) -> str:
    """Quote an attribute's name, so that a dot in it is not taken for a path."""
    if '"' in name:
        raise InputError("an attribute's name has a quotation mark", got=name, hint="Rename the attribute")
    return f'"{name}"'


def _table(found: Sequence[Sequence[tuple[int, float]]], count: int) -> Found:
    keys = np.full((len(found), count), NO_KEY, np.int64)
    scores = np.full((len(found), count), -np.inf, np.float32)
    for row, results in enumerate(found):
        for place, (key, score) in enumerate(results):
            keys[row, place], scores[row, place] = key, score
    return keys, scores
