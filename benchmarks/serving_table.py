"""Print README's table of serving as Markdown: `python benchmarks/serving_table.py`.

It is made of `benchmarks/results`: what `benchmarks.peers.run`, `scenarios.py`, `perf_analyzer.py` and
`start_up.py` wrote on one machine.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    # What was measured of each ensemble, by its name.
    Measured = dict[str, Any]

_RESULTS = Path(__file__).parent / "results"
_OURS = ("Trifuse, gRPC", "Trifuse, HTTP")
_BOUND = "in-process bound"
_RATIOS = {
    "latency": "p50, × lower",
    "throughput": "answers/s, ×",
    "throughput_at_equal_p99": "at equal p99, ×",
}
_OF_BOUND = {"throughput": "share of its answers/s", "added_ms": "p50 added, ms"}


def main() -> None:
    """Print the table."""
    print(table())


def table() -> str:
    """Lay out what was measured, a column for each ensemble."""
    scenarios, analyzed = _by_model("loadgen-*", "scenarios"), _by_model("perf-analyzer-*", "comparison")
    peers = {one["model"]: one for one in _results("peers-*")}
    start = next(_results("full-start-up"))
    models = sorted(scenarios, key=lambda model: (model not in peers, model))
    head = [f"`full`, random weights; {_machine()}", *(f"`{model}`" for model in models)]
    rows = [
        *serving([peers.get(model) for model in models]),
        *comparisons([peers.get(model) for model in models]),
        *verdicts([scenarios[model] for model in models]),
        *agreement([analyzed[model] for model in models]),
        [
            "ready after, memory: all systems in one server",
            f"{start['ready_s']:.1f} s, {start['memory_mb']:.0f} MB",
            *[""] * (len(models) - 1),
        ],
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])


def serving(peers: Sequence[Measured | None]) -> Iterator[list[str]]:
    """Give what our own server does with one client and with most: medians over rounds."""
    for server in _OURS:
        loads = [one and one["figures"][server] for one in peers]
        yield [f"{server}: p50 / p99 at 1 client", *(_latency(one) for one in loads)]
        yield [f"{server}: answers/s at 8 clients", *(_throughput(one) for one in loads)]


def _latency(loads: Measured | None) -> str:
    rows = loads["1"] if loads else []
    return " / ".join(f"{_median(rows, name):.1f}" for name in ("p50", "p99")) + " ms" if rows else ""


def _throughput(loads: Measured | None) -> str:
    return f"{_median(loads['8'], 'per_second'):.0f}" if loads else ""


def _median(rows: Iterable[Measured], name: str) -> float:
    return statistics.median([float(row[name]) for row in rows])


def comparisons(peers: Sequence[Measured | None]) -> Iterator[list[str]]:
    """Give gRPC's ratios to other ways to serve the same files: medians over rounds, lowest to highest."""
    compared = [one and one["comparison"] for one in peers]
    for name in next(filter(None, compared)):
        for figure, says in (_OF_BOUND if name == _BOUND else _RATIOS).items():
            cells = [_ratio(one[name][figure]) if one else "" for one in compared]
            if name not in _OURS and any(cells):
                yield [f"{name}: {says}", *cells]


def _ratio(found: Measured | None) -> str:
    return f"{found['median']:.2f} ({found['low']:.2f} – {found['high']:.2f})" if found else ""


def verdicts(scenarios: Sequence[Measured]) -> Iterator[list[str]]:
    """Give what LoadGen says of each scenario."""
    for name in scenarios[0]:
        found = [one[name] for one in scenarios]
        yield [f"LoadGen {name}: answers/s", *(f"{one['result']}, {one['per_second']:.0f}" for one in found)]


def agreement(analyzed: Sequence[list[Measured]]) -> Iterator[list[str]]:
    """Give our figures in parts of perf_analyzer's."""
    for rows in zip(*analyzed, strict=True):
        says = f"ours / perf_analyzer's at {rows[0]['clients']}: answers/s, p50"
        ratios = [row["ratio"] for row in rows]
        yield [says, *(f"{one['per_second']:.2f}, {one['p50']:.2f}" for one in ratios)]


def _results(pattern: str) -> Iterator[Measured]:
    return (json.loads(path.read_text(encoding="utf-8")) for path in sorted(_RESULTS.glob(f"{pattern}.json")))


def _by_model(pattern: str, name: str) -> Measured:
    return {model: found for one in _results(pattern) for model, found in one[name].items()}


def _machine() -> str:
    kinds = ("peers-*", "loadgen-*", "perf-analyzer-*", "full-start-up")
    machines = {one["machine"] for kind in kinds for one in _results(kind)}
    if len(machines) > 1:
        raise ValueError(f"these figures are of several machines: {', '.join(sorted(machines))}")
    return str(machines.pop())


if __name__ == "__main__":
    main()
