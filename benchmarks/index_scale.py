"""What each kind of index costs and gives at the size of a large catalogue.

`python benchmarks/index_scale.py --vectors 1000000 --dim 256 --output FILE.json`. The vectors are generated
(`trifuse/retrieval/clustered.py` says how). Kinds are built with all threads, each from the same vectors; a
process of its own then loads the file as a server does and answers single queries on one thread. A build is
first timed on few vectors; where the estimate from that does not fit what is left of the time budget, only
the estimate is given.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import faiss
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from trifuse.artifacts import write_file
from trifuse.command_line import run
from trifuse.reporting import machine
from trifuse.retrieval.clustered import Clusters
from trifuse.retrieval.faiss_choice import durations_ms, least_effort
from trifuse.retrieval.faiss_index import DEPTHS, EXACT, KINDS, FaissIndex, estimated_build_s, rebuilt

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TOP = DEPTHS[0]
_RECALL_QUERIES, _TIMED_QUERIES, _WARM_UP = 500, 1000, 20
# An exact search takes as long as a thousand approximate ones.
_EXACT_TIMED_QUERIES = 100
_TRIAL = 20_000
# The quick ones first, so that a small budget still gives most of the table.
_KINDS = (EXACT, "ivf", "ivf_fp16", "ivf_int8", "hnsw", "hnsw_int8", "hnsw_fp16")
_COLUMNS = ("build s", "estimate", "file MB", "RSS MB", "load ms", "effort", "recall", "p50 ms", "p99 ms")

console = Console(stderr=True)


@dataclass(frozen=True)
class Served:
    """An index in a process that has loaded it: `rss_bytes` beyond what the process had before."""

    load_ms: float
    rss_bytes: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Measured:
    """One kind. `recall` is recall@10 against exact search; without `served`, it was only estimated."""

    kind: str
    estimated_build_s: float
    build_s: float | None = None
    file_bytes: int | None = None
    effort: int | None = None
    recall: float | None = None
    served: Served | None = None


def main() -> None:
    """Measure every kind, print the table, and write the figures as JSON."""
    arguments = parse()
    begin = time.monotonic()
    exact, queries = generated(arguments)
    truth, _ = exact.search(queries[:_RECALL_QUERIES], _TOP)
    found = []
    for kind in arguments.kinds:
        left_s = arguments.budget_s - (time.monotonic() - begin)
        found.append(measure(kind, exact, queries, truth, arguments.min_recall, left_s))
    Console().print(table(found, arguments))
    if arguments.output:
        setting = {name: value for name, value in vars(arguments).items() if name not in ("output", "kinds")}
        setting |= {"machine": machine(), "build_threads": faiss.omp_get_max_threads()}
        figures = [asdict(measured) for measured in found]
        write_file(arguments.output, json.dumps({**setting, "kinds": figures}, indent=1) + "\n")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--dim", type=int, default=256, help="default: %(default)s")
    parser.add_argument("--clusters", type=int, default=4000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=_KINDS)
    parser.add_argument("--min-recall", type=float, default=0.98, help="default: %(default)s")
    parser.add_argument("--budget-s", type=float, default=600, help="seconds in all; default: %(default)s")
    parser.add_argument("--output", type=Path, help="where to write the figures as JSON")
    return parser.parse_args()


def generated(arguments: argparse.Namespace) -> tuple[FaissIndex, NDArray[np.float32]]:
    """Draw the vectors into an exact index, and the queries."""
    clusters = Clusters(arguments.dim, arguments.clusters, arguments.seed)
    exact = FaissIndex.untrained(EXACT, arguments.dim)
    with Progress(console=console) as progress:
        task = progress.add_task("vectors", total=arguments.vectors)
        for vectors in clusters.vectors(arguments.vectors):
            exact.add(vectors)
            progress.advance(task, len(vectors))
    return exact, clusters.queries(_TIMED_QUERIES)


def measure(
    kind: str,
    exact: FaissIndex,
    queries: NDArray[np.float32],
    truth: NDArray[np.int64],
    min_recall: float,
    left_s: float,
) -> Measured:
    """Build a kind if there is time, find the effort for the recall, and time it as it is served."""
    trial = np.linspace(0, len(exact) - 1, min(_TRIAL, len(exact)), dtype=np.int64)
    estimated_s = estimated_build_s(kind, timed_build(exact, trial, kind)[1], len(trial), len(exact))
    if estimated_s > left_s:
        return Measured(kind, estimated_s)
    index, build_s = timed_build(exact, np.arange(len(exact)), kind)
    effort, recall = least_effort(index, queries[: len(truth)], truth, min_recall)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.faiss"
        index.write(path)
        del index
        size = path.stat().st_size
        timed = queries[: _EXACT_TIMED_QUERIES if kind == EXACT else None]
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            served = pool.apply(serve, (path, kind, effort, timed))
    return Measured(kind, estimated_s, build_s, size, effort, recall, served)


def timed_build(exact: FaissIndex, rows: NDArray[np.int64], kind: str) -> tuple[FaissIndex, float]:
    """Build a kind from some rows, in seconds."""
    with Progress(console=console) as progress:
        task = progress.add_task(f"{kind} of {len(rows):,}", total=len(rows))
        begin = time.perf_counter()
        index = rebuilt(exact, rows, kind, lambda done, _: progress.update(task, completed=done))
        return index, time.perf_counter() - begin


def serve(path: Path, kind: str, effort: int, queries: NDArray[np.float32]) -> Served:
    """Load an index and answer queries one by one, on one thread."""
    faiss.omp_set_num_threads(1)
    before, begin = resident_bytes(), time.perf_counter()
    index = FaissIndex.read(path, kind, (effort,) * len(DEPTHS))
    load_ms = (time.perf_counter() - begin) * 1e3
    search = partial(index.search_with, effort, top=_TOP)
    durations_ms(search, queries[:_WARM_UP])
    p50_ms, p99_ms = np.percentile(durations_ms(search, queries), [50, 99])
    return Served(load_ms, resident_bytes() - before, float(p50_ms), float(p99_ms))


def resident_bytes() -> int:
    """Tell how much memory this process holds, mapped files included as far as they were touched."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def table(found: list[Measured], arguments: argparse.Namespace) -> Table:
    """Show a row for each kind."""
    caption = f"{machine()}; recall@10; queries on one thread"
    title = f"{arguments.vectors:,} vectors of {arguments.dim}"
    shown = Table(title=title, caption=caption, box=None, padding=(0, 1, 0, 0))
    for column in ("kind", *_COLUMNS):
        shown.add_column(column, justify="left" if column == "kind" else "right", no_wrap=True)
    for one in found:
        estimated = f"{one.estimated_build_s:.0f}"
        if one.served is None:
            shown.add_row(one.kind, "", estimated)
            continue
        shown.add_row(
            one.kind,
            f"{one.build_s:.1f}",
            estimated,
            f"{(one.file_bytes or 0) / 1e6:.0f}",
            f"{one.served.rss_bytes / 1e6:.0f}",
            f"{one.served.load_ms:.1f}",
            str(one.effort),
            f"{one.recall:.3f}",
            f"{one.served.p50_ms:.2f}",
            f"{one.served.p99_ms:.2f}",
        )
    return shown


if __name__ == "__main__":
    run(main)
