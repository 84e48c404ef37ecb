"""Which products will users buy in the last week? MAP@12 and recall@12 of each source, and of the blend.

`python benchmarks/recommendation.py --transactions transactions.csv --index FOLDER`: a published version of
the index, `artifacts/model_repository/product_index/1`. Settings are chosen for every method on the week
before the last, the dev week; then each is fitted on all but the last week and tried on that, the test week.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from trifuse.artifacts import MANIFEST, digest, write_file
from trifuse.command_line import run
from trifuse.reporting import machine
from trifuse.retrieval.collaborative import fit
from trifuse.retrieval.exact_neighbours import ExactNeighbours
from trifuse.retrieval.lending import lend
from trifuse.retrieval.recommendation_quality import (
    TOP,
    average_precisions,
    cases,
    choose_settings,
    gather_all,
    groups,
    rank_all,
    recalls,
)
from trifuse.retrieval.recommender import Recommender, Settings
from trifuse.retrieval.transactions import read_transactions, split_by_time
from trifuse.training.bootstrap import paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trifuse.retrieval.evidence import Evidence
    from trifuse.retrieval.recommendation_quality import Case, Group
    from trifuse.retrieval.statistics import PurchaseStatistics
    from trifuse.retrieval.transactions import Transactions

_Grid = dict[str, tuple[float, ...]]
_RATES: _Grid = {"exponent": (0.5, 0.65, 0.8, 1.0), "repeat": (8.0, 16.0, 32.0)}
_HISTORY: _Grid = {"popularity": (0.03, 0.1, 0.3), "half_life_days": (30.0, 90.0, 365.0)}
_CONTENT: _Grid = {"kernel_width": (0.03, 0.06, 0.1, 0.2, 0.4)}
_BLEND: _Grid = {"content": (0.3, 0.6, 1.0, 1.6)}
_COLD: _Grid = {"new_user": (0.0, 1.0, 2.0), "new_product": (0.0, 1.0, 2.0)}
BESTSELLERS, BLENDED = "bestsellers of the week before", "blended"
# Where the search for each method's settings begins, and what it may change: first by MAP@12 of all users,
# then what concerns cold users and cold products by the objective that counts these apart.
_METHODS: dict[str, tuple[Settings, _Grid, _Grid]] = {
    "popularity": (Settings(collaborative=0.0, content=0.0), _RATES, {}),
    "collaborative only": (Settings(content=0.0), _RATES | _HISTORY, {}),
    "content only": (Settings(collaborative=0.0), _CONTENT | _RATES | _HISTORY, _COLD),
    BLENDED: (Settings(), _CONTENT | _BLEND | _RATES | _HISTORY, _COLD),
}
_METRICS = {"map_at_12": average_precisions, "recall_at_12": recalls}
_RESAMPLES = 2000

log = Console(stderr=True)


@dataclass(frozen=True)
class Week:
    """A week to foresee from what is known before it: its shoppers, and by method what speaks for what."""

    cases: list[Case]
    groups: list[Group]
    statistics: dict[str, PurchaseStatistics]
    evidence: dict[str, list[Evidence]]


def main() -> None:
    """Choose settings on the dev week, measure on the test week, print the table."""
    options = parse()
    nearest = ExactNeighbours.of_index(options.index, Settings().content_neighbours)
    shops = [foresee(read_transactions(path), nearest) for path in options.transactions]
    results = {
        groups[0].name: measure([rankings for rankings, _, _ in shops], groups)
        for groups in zip(*(groups for _, groups, _ in shops), strict=True)
    }
    for table in tables(results):
        Console().print(table)
    if options.output:
        origin = {
            "transactions": [digest(path) for path in options.transactions],
            "index": digest(options.index / MANIFEST),
        }
        settings = [chosen for _, _, chosen in shops]
        report = {"machine": machine(), **origin, "settings": settings, "test_week": results}
        write_file(options.output, json.dumps(report, indent=1) + "\n")


def foresee(
    purchases: Transactions, nearest: ExactNeighbours
) -> tuple[dict[str, list[list[str]]], list[Group], dict[str, Any]]:
    """Rank by every method for the test week of a shop: (rankings, groups, settings)."""
    before, test = split_by_time(purchases)
    settings = choose_on_dev_week(before, nearest)
    week = prepare(before, test, nearest)
    rankings = {BESTSELLERS: [bestsellers(before)] * len(week.cases)} | {
        method: rank_all(Recommender(week.statistics[method], chosen), week.evidence[method])
        for method, chosen in settings.items()
    }
    return rankings, week.groups, {method: asdict(chosen) for method, chosen in settings.items()}


def prepare(before: Transactions, after: Transactions, nearest: ExactNeighbours) -> Week:
    """Fit what is known; only the blend knows what looks alike when it fits the purchases."""
    found, plain = cases(before, after), fit(before)
    lent = lend(plain, nearest)
    of_plain, of_lent = (
        gather_all(Recommender(known, Settings()), found, nearest) for known in (plain, lent)
    )
    return Week(
        found,
        groups(found, before),
        {method: lent if method == BLENDED else plain for method in _METHODS},
        {method: of_lent if method == BLENDED else of_plain for method in _METHODS},
    )


def choose_on_dev_week(before: Transactions, nearest: ExactNeighbours) -> dict[str, Settings]:
    """Choose every method's settings, with what was known before the dev week."""
    week = prepare(*split_by_time(before), nearest)
    chosen = {}
    for method, (start, general, cold) in _METHODS.items():
        log.print(f"[bold cyan]▸ settings of {method}[/]")
        recommender, evidence = Recommender(week.statistics[method], start), week.evidence[method]
        recommender = choose_settings(recommender, evidence, week.groups[:1], general, log.print)
        chosen[method] = choose_settings(recommender, evidence, week.groups, cold, log.print).settings
    return chosen


def bestsellers(before: Transactions) -> list[str]:
    """List what was bought most in the last week before the test: the same for all, the usual baseline."""
    _, week = split_by_time(before)
    return [product for product, _ in Counter(week.products.tolist()).most_common(TOP)]


def measure(
    rankings: Sequence[Mapping[str, Sequence[Sequence[str]]]], groups: Sequence[Group]
) -> dict[str, Any]:
    """Measure all methods on a group of all shops, with 95 % intervals over users.

    `behind` compares a method with the blend.
    """
    report: dict[str, Any] = {
        "users": sum(len(group.cases) for group in groups),
        "wanted": sum(len(wanted) for group in groups for wanted in group.wanted),
    }
    for metric, values_of in _METRICS.items():
        values = {
            method: np.concatenate(
                [values_of(ranked[method], group) for ranked, group in zip(rankings, groups, strict=True)]
            )
            for method in rankings[0]
        }
        report[metric] = {
            method: asdict(paired_bootstrap(found, resamples=_RESAMPLES))
            | {"behind": asdict(paired_bootstrap(values[BLENDED] - found, resamples=_RESAMPLES))}
            for method, found in values.items()
        }
    return report


def tables(results: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """Show a table a group: each method's metrics and how far it is behind the blend."""
    return [_table(name, group) for name, group in results.items()]


def _table(name: str, group: Mapping[str, Any]) -> Table:
    table = Table(title=f"{name} ({group['users']} users, {group['wanted']} purchases to find)")
    for heading in (
        "method",
        *(f"{metric} {part}" for metric in _METRICS for part in ("", "blended − this")),
    ):
        table.add_column(
            heading.strip().replace("_at_", "@"), justify="left" if heading == "method" else "right"
        )
    for method in group["map_at_12"]:
        cells = []
        for metric in _METRICS:
            found = group[metric][method]
            cells += [_interval(found), "" if method == BLENDED else _interval(found["behind"])]
        table.add_row(method, *cells)
    return table


def _interval(found: Mapping[str, float]) -> str:
    return f"{found['mean']:.4f} [{found['low']:.4f}, {found['high']:.4f}]"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--transactions",
        type=Path,
        nargs="+",
        required=True,
        help="CSV: time,user_id,product_id; one or more shops",
    )
    parser.add_argument("--index", type=Path, required=True, help="the folder of a published index")
    parser.add_argument("--output", type=Path, help="where to write the results as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
