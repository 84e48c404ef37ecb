"""Purchase histories: CSV files of who bought which product when, and their split by time."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from trifuse.errors import ArtifactError, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HEADER = ("time", "user_id", "product_id")
DAY_S = 86_400


@dataclass(frozen=True)
class Transactions:
    """Purchases sorted by time: seconds since 1970 (UTC) as int64, user ids and product ids, each (n,)."""

    times_s: NDArray[np.int64]
    users: NDArray[np.str_]
    products: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.times_s)

    def __getitem__(self, rows: slice) -> Transactions:
        return Transactions(self.times_s[rows], self.users[rows], self.products[rows])

    @property
    def end_s(self) -> int:
        """The midnight after the last purchase, in seconds since 1970."""
        return (int(self.times_s[-1]) // DAY_S + 1) * DAY_S


def parse_time(given: datetime | str) -> datetime:
    """Read an ISO 8601 time; without an offset it is UTC. Raises InputError."""
    try:
        time = given if isinstance(given, datetime) else datetime.fromisoformat(given)
    except (TypeError, ValueError):
        raise InputError(
            "this is not a time", got=repr(given), expected="ISO 8601, such as 2025-08-31T18:30:00"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def read_transactions(path: Path) -> Transactions:
    """Read a CSV file with the columns time, user_id and product_id, in any order of its rows.

    Raises ArtifactError naming the line that is wrong.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            _check_header(next(reader, []), path)
            rows = [_parse(row, f"{path}, line {reader.line_num}") for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ArtifactError(f"the transactions {path} cannot be read", got=error) from error
    if not rows:
        raise ArtifactError(f"{path} has no transactions", got="a header only")
    times_s, users, products = zip(*sorted(rows), strict=True)
    return Transactions(np.array(times_s, np.int64), np.array(users), np.array(products))


def split_by_time(transactions: Transactions, days: int = 7) -> tuple[Transactions, Transactions]:
    """Split off the last days, whole days in UTC: (before, last days). Raises ArtifactError for no before."""
    cut = int(np.searchsorted(transactions.times_s, transactions.end_s - days * DAY_S))
    if cut == 0:
        raise ArtifactError(
            f"the transactions have nothing before their last {days} days",
            got=f"{len(transactions)} transactions",
            expected="a history that is longer",
        )
    return transactions[:cut], transactions[cut:]


def _check_header(header: list[str], path: Path) -> None:
    if tuple(header) != HEADER:
        raise ArtifactError(
            f"{path}, line 1 is not the header of transactions",
            got=",".join(header) or "nothing",
            expected=",".join(HEADER),
        )


def _parse(row: list[str], where: str) -> tuple[int, str, str]:
    if len(row) != len(HEADER) or not all(row):
        raise ArtifactError(
            f"{where} is not a transaction", got=",".join(row), expected=f"values for {', '.join(HEADER)}"
        )
    try:
        return int(parse_time(row[0]).timestamp()), row[1], row[2]
    except InputError as error:
        raise ArtifactError(f"{where} is not a transaction", got=error) from None
