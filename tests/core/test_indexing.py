"""Embedding a catalogue: unusable items are reported, and nothing that was embedded is done again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trifuse.catalog import Item
from trifuse.client.indexing import embed_items
from trifuse.client.journal import Embedded, Journal
from trifuse.errors import InputError, ServerUnavailableError

ITEMS = [Item(id=f"p{number}", path=Path(f"{number}.jpg"), split="train") for number in range(100)]
BAD = {"p0", "p33", "p34", "p99"}


class Server:
    """Embeds an item as its number, refuses batches with a bad one, and can fail after some batches."""

    def __init__(self, lasts: int = 10**6) -> None:
        self.lasts = lasts
        self.embedded: list[str] = []

    def __call__(self, items: Sequence[Item]) -> list[Embedded]:
        if self.lasts <= 0:
            raise ServerUnavailableError("the server has gone")
        if any(item.id in BAD for item in items):
            raise InputError("the image cannot be read")
        self.lasts -= 1
        self.embedded += [item.id for item in items]
        return [vector(item) for item in items]


def vector(item: Item) -> Embedded:
    number = int(item.path.stem)
    values, scales = np.full((2, 3), number, np.int8), np.full(2, number, np.float32)
    return Embedded(b"look", np.array([number, 1], np.float32), (values, scales))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journal.sqlite"


def test_unusable_items_are_reported_and_the_rest_is_embedded(path: Path) -> None:
    with Journal(path) as journal:
        outcome = embed_items(ITEMS, Server(), journal, "1")
        assert outcome.problems.keys() == BAD
        assert set(outcome.problems.values()) == {"the image cannot be read"}
        assert (outcome.embedded, outcome.known) == (96, 0)
        stored = journal.read(["p7", "p0"])
    assert stored["p7"].vector is not None
    assert stored["p7"].tokens is not None
    np.testing.assert_array_equal(stored["p7"].vector, [7, 1])
    np.testing.assert_array_equal(stored["p7"].tokens[0], np.full((2, 3), 7))
    assert stored["p7"].look == b"look"
    assert stored["p0"].vector is None


def test_a_second_run_embeds_nothing(path: Path) -> None:
    with Journal(path) as journal:
        embed_items(ITEMS, Server(), journal, "1")
    with Journal(path) as journal:
        again = Server()
        outcome = embed_items(ITEMS, again, journal, "1")
    assert (outcome.embedded, outcome.known, outcome.problems.keys()) == (0, 96, BAD)
    assert again.embedded == []


def test_a_run_that_lost_the_server_goes_on_where_it_was(path: Path) -> None:
    with Journal(path) as journal:
        first = Server(lasts=5)
        with pytest.raises(ServerUnavailableError):
            embed_items(ITEMS, first, journal, "1")
        kept = {name for name in first.embedded if name in journal.read(first.embedded)}
        assert kept
        second = Server()
        outcome = embed_items(ITEMS, second, journal, "1")
    assert outcome.embedded + outcome.known == 96
    assert not kept & set(second.embedded)


def test_changed_items_and_other_encoders_are_embedded_anew(path: Path) -> None:
    good = [item for item in ITEMS if item.id not in BAD]
    with Journal(path) as journal:
        embed_items(good, Server(), journal, "1")
        renamed = [replace(item, title_en="new") if item.id == "p5" else item for item in good]
        assert embed_items(renamed, Server(), journal, "1").embedded == 1
        assert embed_items(renamed, Server(), journal, "2").embedded == len(good)
