"""A catalogue's documents in one SQLite file: what is shown of them, and their words."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from trifuse.errors import ArtifactError
from trifuse.retrieval.analysis import code, document_words, named_codes, query_words, whole_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

# Words that stand in more documents tell little and cost much: they are left to the embeddings.
_MOST_DOCUMENTS = 5000
# A word of at most one in a thousand documents, and of so many at most, says which one is meant.
_RARE_SHARE, _MOST_RARE = 1000, 20
_VARIABLES = 500
_PRODUCT_KEYS = "SELECT product, key FROM documents"
_SCHEMA = """
CREATE TABLE documents (
    key INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, product TEXT NOT NULL,
    look BLOB NOT NULL, data TEXT NOT NULL
);
CREATE INDEX documents_product ON documents (product);
CREATE TABLE codes (code TEXT NOT NULL, key INTEGER NOT NULL);
CREATE INDEX codes_code ON codes (code);
CREATE INDEX codes_key ON codes (key);
CREATE VIRTUAL TABLE words USING fts5 (content, tokenize = 'unicode61 remove_diacritics 0');
CREATE VIRTUAL TABLE vocabulary USING fts5vocab ('words', 'row');
CREATE TABLE common (word TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Document:
    """One thing that is searched for; several documents can show the same product.

    `text` is what lexical search reads, `codes` are article numbers, `look` is the photo's difference hash,
    and `data` is what answers carry.
    """

    id: str
    product: str
    text: str = ""
    codes: tuple[str, ...] = ()
    look: bytes = b""
    data: Mapping[str, Any] = field(default_factory=dict)


class Documents:
    """Documents by integer key."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a finished file to read. Raises ArtifactError for a file that is not there."""
        if not path.is_file():
            raise ArtifactError("the index has no documents", got=f"no {path}", hint="Build the index again")
        # A finished file never changes, so that no lock and no journal is needed.
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        return cls(sqlite3.connect(uri, uri=True, check_same_thread=False))

    @classmethod
    def edit(cls, path: Path) -> Self:
        """Open a file to change it; a new one is empty."""
        is_new = not path.exists()
        connection = sqlite3.connect(path)
        if is_new:
            connection.executescript(_SCHEMA)
        return cls(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._connection.total_changes:
            self._note_common_words()
            self._connection.commit()
        self._connection.close()

    def __len__(self) -> int:
        return int(self._one("SELECT count(*) FROM documents"))

    def next_key(self) -> int:
        """Name the first key after all that were given."""
        return int(self._one("SELECT coalesce(max(key) + 1, 0) FROM documents"))

    def keys(self, ids: Sequence[str]) -> dict[str, int]:
        """Find documents by id; unknown ones are left out."""
        return {row[0]: row[1] for row in self._in("SELECT id, key FROM documents WHERE id IN", ids)}

    def of_products(self, products: Sequence[str]) -> dict[str, list[int]]:
        """Find the documents of products; unknown ones are left out."""
        return _by_product(sorted(self._in(_PRODUCT_KEYS + " WHERE product IN", products)))

    def by_product(self) -> dict[str, list[int]]:
        """List all documents' keys by product."""
        return _by_product(self._connection.execute(_PRODUCT_KEYS + " ORDER BY key"))

    def products(self, keys: Sequence[int]) -> dict[int, str]:
        """Name the products of documents by key."""
        return dict(self._in("SELECT key, product FROM documents WHERE key IN", keys))

    def appearances(self, keys: Sequence[int]) -> dict[int, tuple[str, bytes]]:
        """Tell the product and the photo's hash of documents by key."""
        rows = self._in("SELECT key, product, look FROM documents WHERE key IN", keys)
        return {key: (product, look) for key, product, look in rows}

    def read(self, keys: Sequence[int]) -> dict[int, Document]:
        """Read documents by key, without their text and codes."""
        rows = self._in("SELECT key, id, product, look, data FROM documents WHERE key IN", keys)
        return {
            key: Document(name, product, look=look, data=json.loads(data))
            for key, name, product, look, data in rows
        }

    def put(self, documents: Iterable[tuple[int, Document]]) -> None:
        """Write documents under keys; what was there is replaced."""
        for key, document in documents:
            self.remove([key])
            data = json.dumps(document.data, ensure_ascii=False)
            row = (key, document.id, document.product, document.look, data)
            self._connection.execute("INSERT INTO documents VALUES (?, ?, ?, ?, ?)", row)
            codes = dict.fromkeys(map(code, (document.id, document.product, *document.codes)))
            self._connection.executemany("INSERT INTO codes VALUES (?, ?)", ((name, key) for name in codes))
            words = " ".join(document_words(document.text))
            self._connection.execute("INSERT INTO words (rowid, content) VALUES (?, ?)", (key, words))

    def remove(self, keys: Sequence[int]) -> None:
        """Delete documents; unknown keys are ignored."""
        rows = [(key,) for key in keys]
        self._connection.executemany("DELETE FROM documents WHERE key = ?", rows)
        self._connection.executemany("DELETE FROM codes WHERE key = ?", rows)
        self._connection.executemany("DELETE FROM words WHERE rowid = ?", rows)

    def by_code(self, text: str) -> list[int]:
        """Find the documents whose id, product or article number the text is, or names as a word.

        A short number within a text is a size or a quantity, and no article number.
        """
        codes = list(dict.fromkeys((code(text), *named_codes(text))))
        return sorted({row[0] for row in self._in("SELECT key FROM codes WHERE code IN", codes)})

    def by_words(self, text: str, top: int) -> list[tuple[int, float]]:
        """Rank the documents that share a word with the text by BM25, best first.

        Words of more than 5,000 documents do not count.
        """
        words = self._without_common(query_words(text))
        if not words:
            return []
        query = "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY rank, rowid LIMIT ?"
        return list(self._connection.execute(query, (_any_of(words), top)))

    def by_rare_words(self, text: str) -> list[int]:
        """Find the documents with a word of the text that one in a thousand has at most, and at most 20."""
        words = self._without_common(whole_words(text))
        counts = self._in("SELECT term, doc FROM vocabulary WHERE term IN", words)
        most = min(max(1, self.next_key() // _RARE_SHARE), _MOST_RARE)
        rare = [word for word, count in counts if count <= most]
        if not rare:
            return []
        query = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid"
        return [row[0] for row in self._connection.execute(query, (_any_of(rare),))]

    def _without_common(self, words: list[str]) -> list[str]:
        common = {row[0] for row in self._in("SELECT word FROM common WHERE word IN", words)}
        return [word for word in words if word not in common]

    def _note_common_words(self) -> None:
        """Write down the words of more than 5,000 documents: counting a word's documents reads them all."""
        self._connection.execute("DELETE FROM common")
        self._connection.execute(
            "INSERT INTO common SELECT term FROM vocabulary WHERE doc > ?", (_MOST_DOCUMENTS,)
        )

    def _one(self, query: str) -> Any:
        return self._connection.execute(query).fetchone()[0]

    def _in(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for start in range(0, len(values), _VARIABLES):
            part = values[start : start + _VARIABLES]
            rows += self._connection.execute(f"{query} ({','.join('?' * len(part))})", part)
        return rows


def _any_of(words: Iterable[str]) -> str:
    return " OR ".join(f'"{word}"' for word in words)


def _by_product(rows: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for product, key in rows:
        found.setdefault(product, []).append(key)
    return found
