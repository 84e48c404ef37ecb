from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from trifuse.errors import ArtifactError, InputError
from trifuse.retrieval.transactions import parse_time, read_transactions, split_by_time

HEADER = "time,user_id,product_id"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "transactions.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_rows_are_read_in_the_order_of_time(tmp_path):
    path = written(
        tmp_path,
        HEADER,
        "2025-03-04T00:00:00,b,q",
        "2025-03-03T12:00:00+02:00,a,p",
        "",
        "2025-03-03T10:00:01Z,a,p",
    )
    found = read_transactions(path)
    times = [datetime.fromtimestamp(time, UTC).isoformat()[:19] for time in found.times_s.tolist()]
    assert times == ["2025-03-03T10:00:00", "2025-03-03T10:00:01", "2025-03-04T00:00:00"]
    assert (found.users.tolist(), found.products.tolist()) == (["a", "a", "b"], ["p", "p", "q"])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["time,user,item"], "line 1 is not the header.*got time,user,item, expected time,user_id"),
        ([HEADER], "has no transactions"),
        ([HEADER, "2025-03-03,a,p", "2025-03-03,a"], "line 3 is not a transaction: got 2025-03-03,a, exp"),
        ([HEADER, "2025-03-03,,p"], "line 2 is not a transaction"),
        ([HEADER, "2025-03-03,a,p", "", "2025-13-03,a,p"], "line 4 is not a transaction.*'2025-13-03'"),
    ],
)
def test_what_is_wrong_is_located(tmp_path, lines, message):
    with pytest.raises(ArtifactError, match=message):
        read_transactions(written(tmp_path, *lines))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"absent\.csv cannot be read"):
        read_transactions(tmp_path / "absent.csv")


def test_the_last_seven_days_are_split_off_at_midnight(tmp_path):
    days = ("2025-03-01T23:59:59", "2025-03-02T00:00:00", "2025-03-08T20:00:00")
    before, last = split_by_time(
        read_transactions(written(tmp_path, HEADER, *(f"{day},u,p{day[8:10]}" for day in days)))
    )
    assert before.products.tolist() == ["p01"]
    assert last.products.tolist() == ["p02", "p08"]


def test_a_history_of_one_week_cannot_be_split(tmp_path):
    found = read_transactions(written(tmp_path, HEADER, "2025-03-02T00:00:00,u,p", "2025-03-08T20:00:00,u,p"))
    with pytest.raises(ArtifactError, match="nothing before their last 7 days"):
        split_by_time(found)


@pytest.mark.parametrize("broken", ["yesterday", "", None, 7, "2025-02-30"])
def test_what_is_no_time_is_an_input_error(broken):
    with pytest.raises(InputError, match="is not a time"):
        parse_time(broken)
