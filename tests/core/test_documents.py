"""Documents and their words: what lexical search finds, and what an edit leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from trifuse.errors import ArtifactError
from trifuse.retrieval.analysis import code, document_words, query_words
from trifuse.retrieval.documents import Document, Documents

SHOP = [
    Document("a1", "p1", "简约白色连衣裙 simple white dress", ("AB-77",), data={"price": 9.5}),
    Document("a2", "p1", "简约白色连衣裙 simple white dress", look=b"\1" * 32),
    Document("b1", "p2", "黑色长裤 black pants"),
    Document("c1", "p3", "白色T恤 White T-shirt"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Documents.edit(tmp_path / "documents.sqlite") as documents:
        documents.put(enumerate(SHOP))
    return tmp_path / "documents.sqlite"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("连衣裙", ["a1", "a2"]),
        ("裙", ["a1", "a2"]),
        ("白色裤", ["c1", "a1", "a2"]),
        ("BLACK", ["b1"]),
        ("Ｗｈｉｔｅ", ["c1", "a1", "a2"]),
        ("t-shirt", ["c1"]),
        ("恤", ["c1"]),
        ("raincoat", []),
        ("  !? ", []),
        ('"; DROP TABLE documents --', []),
    ],
)
def test_words_in_both_languages(path: Path, query: str, found: list[str]) -> None:
    documents = Documents.open(path)
    ranked = documents.by_words(query, 10)
    read = documents.read([key for key, _ in ranked])
    assert sorted(read[key].id for key, _ in ranked) == sorted(found)
    assert [score for _, score in ranked] == sorted((score for _, score in ranked), reverse=True)


def test_rare_words_weigh_more(path: Path) -> None:
    documents = Documents.open(path)
    (first, _), *_ = documents.by_words("white pants", 4)
    assert documents.read([first])[first].id == "b1"


@pytest.mark.parametrize("text", ["AB-77", "ab77", "the ＡＢ-77 please", "货号AB-77", "(ab-77),", "a1"])
def test_article_numbers(path: Path, text: str) -> None:
    assert Documents.open(path).by_code(text) == [0]


def test_a_number_within_a_text_is_no_article_number(path: Path) -> None:
    with Documents.edit(path) as documents:
        documents.put([(9, Document("10", "10")), (10, Document("204511", "p"))])
    documents = Documents.open(path)
    assert documents.by_code("size 10 shoes") == []
    assert documents.by_code("10") == [9]
    assert documents.by_code("204511 please") == [10]


def test_a_products_id_names_all_its_documents(path: Path) -> None:
    documents = Documents.open(path)
    assert documents.by_code("p1") == [0, 1]
    assert documents.of_products(["p1", "nothing"]) == {"p1": [0, 1]}


def test_what_was_stored_is_read_again(path: Path) -> None:
    documents = Documents.open(path)
    read = documents.read([0, 1, 99])
    assert read.keys() == {0, 1}
    assert read[0].data == {"price": 9.5}
    assert read[1].look == b"\1" * 32
    assert documents.by_product() == {"p1": [0, 1], "p2": [2], "p3": [3]}


def test_an_edit_replaces_and_removes_words_and_codes(path: Path) -> None:
    with Documents.edit(path) as documents:
        documents.put([(2, Document("b1", "p2", "blue skirt"))])
        documents.remove([0])
    documents = Documents.open(path)
    assert len(documents) == 3
    assert documents.by_words("black", 5) == []
    assert [key for key, _ in documents.by_words("skirt", 5)] == [2]
    assert documents.by_code("ab77") == []
    assert documents.keys(["a1", "b1"]) == {"b1": 2}
    assert documents.next_key() == 4


def test_rare_words_are_those_of_one_document_in_a_thousand(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    texts = [f"dress {'linen' if number < 2 else 'silk'}" for number in range(2000)] + [
        "独特 merino 红色裙子"
    ]
    with Documents.edit(path) as documents:
        documents.put((key, Document(f"d{key}", f"d{key}", text)) for key, text in enumerate(texts))
    documents = Documents.open(path)
    assert documents.by_rare_words("a Linen dress") == [0, 1]
    assert documents.by_rare_words("silk dress") == []
    assert documents.by_rare_words("merino 独特") == documents.by_rare_words("独特") == [2000]
    assert documents.by_rare_words("蓝色裙子") == []
    assert documents.by_rare_words("unknown") == []


def test_words_of_more_than_5000_documents_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    with Documents.edit(path) as documents:
        documents.put((key, Document(f"d{key}", f"d{key}", f"dress n{key}")) for key in range(5001))
    assert Documents.open(path).by_words("dress n7", 5) == Documents.open(path).by_words("n7", 5)
    with Documents.edit(path) as documents:
        documents.remove([5000])
    assert len(Documents.open(path).by_words("dress", 5)) == 5


def test_a_failed_edit_changes_nothing(path: Path) -> None:
    def fail() -> None:
        with Documents.edit(path) as documents:
            documents.remove([0, 1, 2, 3])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert len(Documents.open(path)) == 4


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="Build the index again"):
        Documents.open(tmp_path / "nothing.sqlite")


def test_words_of_mixed_text() -> None:
    assert document_words("T恤 ABC-12") == ["t", "恤", "abc12", "abc", "12"]
    assert query_words("白色连衣裙 dress DRESS") == ["白色", "色连", "连衣", "衣裙", "dress"]
    assert code(" ＡＢ-7.7_x ") == "ab77x"
