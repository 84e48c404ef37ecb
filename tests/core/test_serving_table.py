"""README shows what the committed figures say."""

from __future__ import annotations

from pathlib import Path

from benchmarks import serving_table


def test_the_table_in_readme_is_what_was_measured() -> None:
    readme = Path(__file__).resolve().parents[2] / "README.md"
    assert serving_table.table() in readme.read_text(encoding="utf-8")
