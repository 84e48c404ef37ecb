from __future__ import annotations

import json
from pathlib import Path

import pytest

from trifuse.catalog import read_catalog
from trifuse.errors import ArtifactError

ROW = {
    "id": "a",
    "path": "images/a.jpg",
    "split": "train",
    "title_zh": "蓝色衬衫",
    "colour": "blue",
    "colour_alt": ["grey"],
}


def _write(folder: Path, *rows: object) -> Path:
    path = folder / "manifest.jsonl"
    path.write_text(
        "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8"
    )
    return path


def test_rows_become_items(tmp_path: Path) -> None:
    (item,) = read_catalog(_write(tmp_path, ROW, ""))
    assert (item.id, item.title_zh, item.title_en, item.split) == ("a", "蓝色衬衫", "", "train")
    assert item.path == tmp_path / "images/a.jpg"
    assert item.values("colour") == ("blue",)
    assert item.values("colour_alt") == ("grey",)
    assert item.values("price") == ()


def test_titles_may_hold_any_character(tmp_path: Path) -> None:
    row = {**ROW, "title_en": "white\u2028dress\u0085"}
    path = tmp_path / "manifest.jsonl"
    path.write_text("\ufeff" + json.dumps(row, ensure_ascii=False) + "\r\n", encoding="utf-8")
    assert read_catalog(path)[0].title_en == "white\u2028dress\u0085"


def test_one_split_is_selected(tmp_path: Path) -> None:
    path = _write(tmp_path, ROW, {**ROW, "id": "b", "split": "validation"})
    assert [item.id for item in read_catalog(path, "validation")] == ["b"]
    with pytest.raises(ArtifactError, match="no items of the split 'test': got train, validation"):
        read_catalog(path, "test")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["{"], "line 1 is not JSON"),
        ([ROW, "[1]"], "line 2 is not a catalogue item"),
        ([{"id": "a", "split": "train"}], "text in id, path, split"),
        ([ROW, ROW], "names an item twice"),
    ],
)
def test_wrong_rows_are_located(tmp_path: Path, rows: list[object], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        read_catalog(_write(tmp_path, *rows))


def test_a_missing_catalogue_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"absent\.jsonl cannot be read"):
        read_catalog(tmp_path / "absent.jsonl")
