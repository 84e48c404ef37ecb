"""Product search through Triton over a large generated catalogue: `benchmarks/search_load.py --products N`.

The catalogue is synthetic: clustered vectors (`trifuse/retrieval/clustered.py`), random image tokens and
photo hashes, titles of a few common words and the name of a model line that 20 products share, article
numbers. One text query in ten names a line, one in ten an article number. Queries run through the encoders
that are published; clients call in a closed loop.
The index is published into a copy of the repository, with a server of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from trifuse.artifacts import read_manifest, write_file
from trifuse.client.triton import TritonClient
from trifuse.command_line import run
from trifuse.reporting import machine
from trifuse.retrieval.clustered import Clusters
from trifuse.retrieval.documents import Document
from trifuse.retrieval.faiss_choice import recall
from trifuse.retrieval.writing import Entry, write_index
from trifuse.serving.probe import own_server
from trifuse.serving.server_environment import default_location
from trifuse.serving.services import publish_service
from trifuse.serving.versions import published_contract, served_version
from trifuse.systems.product.cataloguing import settings
from trifuse.systems.product.client import ProductClient
from trifuse.systems.product.contract import EMBEDDING_DIM, STORED_TOKENS
from trifuse.systems.product.index import texts
from trifuse.systems.product.titles import CATEGORIES, COLOURS, STYLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DEFINITION = Path(__file__).resolve().parent.parent / "model_repository"
TOP, CLUSTERS, RECALL_QUERIES = 10, 4000, 200
CLIENTS, SECONDS, WARM_UP_S = (1, 4, 8), 15.0, 3.0
_LOOK_BYTES, _LINE, _SHARE = 32, 20, 0.1
QUERIES = [
    f"{style} {colour} {category}" for style in STYLES for colour in COLOURS for category in CATEGORIES
]

console = Console()


def main() -> None:
    """Publish the catalogue, measure recall and load, and print the table."""
    options = parse()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        repository = Path(folder, "model_repository")
        shutil.copytree(options.repository, repository, symlinks=True)
        contract = published_contract(repository, "product")
        started = time.perf_counter()

        def make(target: Path, _: Path | None) -> dict[str, dict[str, Any]]:
            made_for = settings(served_version(repository, contract))
            return {"details": write_index(target, made_for, entries(options.products))}

        version = publish_service(repository, contract, "index", DEFINITION, make)
        report = {
            "machine": machine(),
            "products": options.products,
            "build_s": time.perf_counter() - started,
            "vectors": read_manifest(repository / "product_index" / str(version)).details["vectors"],
            "bytes": sum(path.stat().st_size for path in (repository / "product_index").rglob("*.*")),
        }
        with own_server(repository, contract, default_location()) as server:
            report |= measure(server.grpc_url, options.products)
            report["index_memory_mb"] = stub_memory_mb()
    if options.output:
        write_file(options.output, json.dumps(report, indent=1) + "\n")
    console.print(table(report))


def entries(count: int) -> Iterator[Entry]:
    """Make up products: their vectors, titles, prices and image tokens."""
    generator = np.random.default_rng(1)
    tokens = generator.integers(-127, 128, (64, STORED_TOKENS, EMBEDDING_DIM), np.int8)
    scales = np.full(STORED_TOKENS, 0.02, np.float32)
    looks = generator.bytes(count * _LOOK_BYTES)
    number = 0
    parts = Clusters(EMBEDDING_DIM, CLUSTERS).vectors(count)
    for part in track(parts, "products", total=-(-count // 16_384), console=Console(stderr=True)):
        for vector in part:
            words = QUERIES[number * 7919 % len(QUERIES)]
            title = f"{words} {line(number // _LINE)}"
            look = looks[number * _LOOK_BYTES : (number + 1) * _LOOK_BYTES]
            shown = {"title_en": title, "path": ""}
            document = Document(f"s{number}", f"s{number}", title, (sku(number),), look, shown)
            attributes = {"price": float(number % 500), "category": words.rpartition(" ")[2]}
            yield Entry(document, vector, (tokens[number % len(tokens)], scales), attributes)
            number += 1


def line(number: int) -> str:
    """Name a model line: a word of letters, as rare as a brand's own."""
    letters = [chr(ord("a") + number // 26**place % 26) for place in range(4)]
    return "zq" + "".join(letters)


def sku(number: int) -> str:
    """Write a product's article number."""
    return f"TF-{number:07d}"


def queries(seed: int, products: int) -> Iterator[str]:
    """Draw text queries for ever: common words, one in ten with a line too, one in ten an article number."""
    generator = np.random.default_rng(seed)
    while True:
        words = QUERIES[generator.integers(len(QUERIES))]
        kind, number = generator.random(), int(generator.integers(products))
        yield (
            sku(number)
            if kind < _SHARE
            else f"{words} {line(number // _LINE)}"
            if kind < 2 * _SHARE
            else words
        )


def measure(url: str, products: int) -> dict[str, Any]:
    """Measure recall@10 through the index, and latency and throughput of text queries."""
    return {
        "recall_at_10": measure_recall(url, products),
        "load": {
            name: {str(clients): load(url, products, clients, rerank=rerank) for clients in CLIENTS}
            for name, rerank in (("search", False), ("search + rerank of 50", True))
        },
    }


def measure_recall(url: str, products: int) -> float:
    """Compare what the served index finds with exact search over the same vectors."""
    clusters = Clusters(EMBEDDING_DIM, CLUSTERS)
    queries = clusters.queries(RECALL_QUERIES)
    best = np.full((RECALL_QUERIES, TOP), -np.inf, np.float32)
    names = np.full((RECALL_QUERIES, TOP), -1, np.int64)
    start = 0
    for part in clusters.vectors(products):
        scores = np.concatenate([best, queries @ part.T], axis=1)
        numbers = np.concatenate(
            [names, np.broadcast_to(start + np.arange(len(part)), (RECALL_QUERIES, len(part)))], axis=1
        )
        order = np.argsort(-scores, axis=1)[:, :TOP]
        best, names = np.take_along_axis(scores, order, axis=1), np.take_along_axis(numbers, order, axis=1)
        start += len(part)
    options = texts([json.dumps({"top": TOP, "candidates": TOP})])
    found = []
    with TritonClient(url) as triton:
        for query in queries:
            answer = triton.infer("product_index", {"embedding": query, "options": options}, ["ids"])
            found.append([int(name[1:]) for name in answer["ids"]])
    return recall(np.array(found), names)


def load(url: str, products: int, clients: int, *, rerank: bool) -> dict[str, float]:
    """Let clients search in a closed loop; returns percentiles in ms and answers a second.

    Raises what a client got instead of an answer.
    """
    begin = time.perf_counter() + WARM_UP_S
    end = begin + SECONDS

    def work(number: int) -> list[float]:
        durations_ms = []
        with TritonClient(url) as triton:
            client = ProductClient(triton)
            for text in queries(number, products):
                started = time.perf_counter()
                client.search(text, rerank=rerank, top=TOP)
                now = time.perf_counter()
                if started >= begin:
                    durations_ms.append((now - started) * 1000)
                if now >= end:
                    break
        return durations_ms

    with ThreadPoolExecutor(clients) as pool:
        return summary(np.concatenate(list(pool.map(work, range(clients)))))


def summary(durations_ms: NDArray[np.float64]) -> dict[str, float]:
    """Sum up durations."""
    percentiles = {f"p{share}": float(np.percentile(durations_ms, share)) for share in (50, 90, 99)}
    return percentiles | {"per_s": len(durations_ms) / SECONDS, "requests": len(durations_ms)}


def stub_memory_mb() -> float:
    """Find the resident memory of the process that holds the index."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
            if b"/product_index/" in line:
                status = (folder / "status").read_text()
                return int(status.partition("VmRSS:")[2].split()[0]) / 1024
        except (FileNotFoundError, ProcessLookupError):
            continue
    return float("nan")


def table(report: dict[str, Any]) -> Table:
    """Show latency and throughput by the number of clients."""
    found, kind = report["recall_at_10"], report["vectors"]["kind"]
    title = (
        f"{report['products']:,} products, {kind}, recall@10 {found:.3f}, "
        f"built in {report['build_s']:.0f} s, {report['index_memory_mb']:.0f} MB"
    )
    shown = Table(
        "", "clients", "p50 ms", "p90 ms", "p99 ms", "answers/s", title=title, caption=report["machine"]
    )
    for name, by_clients in report["load"].items():
        for clients, found in by_clients.items():
            cells = (f"{found[column]:.1f}" for column in ("p50", "p90", "p99", "per_s"))
            shown.add_row(name, clients, *cells)
    return shown


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument(
        "--repository", type=Path, default=Path("artifacts/model_repository"), help="default: %(default)s"
    )
    parser.add_argument(
        "--folder", type=Path, help="where the copy and the index are written (default: /tmp)"
    )
    parser.add_argument("--output", type=Path, help="where to write the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
