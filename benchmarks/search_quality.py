"""Does reranking help, and do words? `python benchmarks/search_quality.py --data CATALOGUE`.

Photos of a split are indexed and searched with each distinct title, through a server of its own over a copy
of the repository, so that what is served stays as it is. Photos are indexed once alone and once with titles.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from trifuse.artifacts import digest, write_file
from trifuse.catalog import read_catalog
from trifuse.client.encoding import bytes_tensor
from trifuse.client.triton import TritonClient
from trifuse.command_line import run
from trifuse.reporting import machine
from trifuse.serving.probe import own_server
from trifuse.serving.server_environment import default_location
from trifuse.serving.versions import published_contract
from trifuse.systems.product.client import ProductClient
from trifuse.systems.product.data import split_dev
from trifuse.systems.product.index_publication import IndexPublisher
from trifuse.systems.product.quality import LANGUAGES, distinct_titles, relevance
from trifuse.systems.product.recipe import recipe
from trifuse.training.metrics import ndcg_at, precision_at, reciprocal_rank

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from trifuse.catalog import Item

DEFINITION = Path(__file__).resolve().parent.parent / "model_repository"
TOP, CANDIDATES = 10, 50
METHODS: dict[str, dict[str, Any]] = {
    "embedding": {"lexical": False, "rerank": False},
    "+ rerank": {"lexical": False, "rerank": True},
    "+ words": {"lexical": True, "rerank": False},
    "+ rerank + words": {"lexical": True, "rerank": True},
}
WORDS = "words alone"
SHOWN = ("category P@10", "category nDCG@10", "both P@10", "both nDCG@10", "both MRR")
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 100.0)

console = Console()


def main() -> None:
    """Index and search the dev part to choose the weight of the match, then the split to report."""
    options = parse()
    manifest = options.data / "manifest.jsonl" if options.data.is_dir() else options.data
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder, "model_repository")
        shutil.copytree(options.repository, repository, symlinks=True)
        contract = published_contract(repository, "product")
        with own_server(repository, contract, default_location()) as server:
            publisher = IndexPublisher(repository, contract, DEFINITION, server.grpc_url)
            _, dev = split_dev(read_catalog(manifest, "train"), recipe(contract.profile).dev_share)
            report = {
                "machine": machine(),
                "data": digest(manifest),
                "profile": contract.profile,
                "weights": weigh(publisher, dev),
                "quality": compare(publisher, read_catalog(manifest, options.split)),
            }
    if options.output:
        write_file(options.output, json.dumps(report, indent=1) + "\n")
    for table in tables(report):
        console.print(table)


def weigh(publisher: IndexPublisher, items: Sequence[Item]) -> dict[str, float]:
    """Measure nDCG@10 on photos alone for each weight that the match can have beside the similarity."""
    publisher.build(without_titles(items))
    gains: dict[str, list[float]] = {str(weight): [] for weight in WEIGHTS}
    with TritonClient(publisher.url) as triton:
        products = ProductClient(triton)
        for _, text, relevant in queries(items):
            hits = products.search(
                text,
                top=CANDIDATES,
                candidates=CANDIDATES,
                group=False,
                weak=True,
                **METHODS["+ rerank"],
            )
            similarity, match = np.array([(hit.similarity, hit.match) for hit in hits], np.float64).T
            for weight in WEIGHTS:
                order = np.argsort(-(similarity + weight * match), kind="stable")
                ranked = np.array([[relevant["both"][hits[index].id] for index in order]])
                total = np.array([sum(relevant["both"].values())])
                gains[str(weight)].append(float(ndcg_at(ranked, total, TOP)[0]))
    return {weight: float(np.mean(values)) for weight, values in gains.items()}


def without_titles(items: Sequence[Item]) -> list[Item]:
    """Leave only the photos."""
    return [replace(item, title_zh="", title_en="") for item in items]


def compare(publisher: IndexPublisher, items: Sequence[Item]) -> dict[str, Any]:
    """Measure every method in every language, over photos alone and over photos with titles."""
    catalogues = {
        "photos": without_titles(items),
        "photos and titles": list(items),
    }
    report = {}
    for name, indexed in catalogues.items():
        publisher.build(indexed)
        with TritonClient(publisher.url) as triton:
            methods = [*METHODS, *([WORDS] if name != "photos" else [])]
            report[name] = {method: measure(triton, items, method) for method in methods}
    return report


def measure(triton: TritonClient, items: Sequence[Item], method: str) -> dict[str, dict[str, float]]:
    """Search with every title by one method; returns the figures by language."""
    ranked: dict[str, dict[str, list[tuple[list[bool], int]]]] = {}
    for language, text, relevant in queries(items):
        found = search(triton, text, method)
        for criterion, answers in relevant.items():
            row = [answers[name] for name in found] + [False] * (TOP - len(found))
            values = ranked.setdefault(language, {}).setdefault(criterion, [])
            values.append((row, sum(answers.values())))
    return {language: figures(by_criterion) for language, by_criterion in ranked.items()}


def search(triton: TritonClient, text: str, method: str) -> list[str]:
    """Name the documents that a method finds, best first."""
    if method == WORDS:
        wanted = json.dumps({"top": TOP, "candidates": TOP}).encode()
        inputs = {"text": bytes_tensor([text.encode()])[0], "options": bytes_tensor([wanted])[0]}
        return [name.decode() for name in triton.infer("product_index", inputs, ["ids"])["ids"]]
    hits = ProductClient(triton).search(text, top=TOP, group=False, weak=True, **METHODS[method])
    return [hit.id for hit in hits]


def queries(items: Sequence[Item]) -> Iterator[tuple[str, str, dict[str, dict[str, bool]]]]:
    """List (language, title, which items are relevant by each criterion)."""
    names = [item.id for item in items]
    for language in LANGUAGES:
        titles = distinct_titles(items, language)
        found = relevance(list(titles.values()), items)
        for index, text in enumerate(titles):
            yield (
                language,
                text,
                {
                    criterion: dict(zip(names, rows[index].tolist(), strict=True))
                    for criterion, rows in found.items()
                },
            )


def figures(ranked: Mapping[str, list[tuple[list[bool], int]]]) -> dict[str, float]:
    """Average P@10, nDCG@10 and MRR of the criteria over the queries."""
    report = {}
    for criterion, rows in ranked.items():
        relevant: NDArray[np.bool_] = np.array([row for row, _ in rows], np.bool_)
        totals = np.array([total for _, total in rows])
        report[f"{criterion} P@10"] = float(precision_at(relevant, TOP).mean())
        report[f"{criterion} nDCG@10"] = float(ndcg_at(relevant, totals, TOP).mean())
        report[f"{criterion} MRR"] = float(reciprocal_rank(relevant).mean())
    return report


def tables(report: dict[str, Any]) -> Iterator[Table]:
    """Show the weights and the methods."""
    weights = Table(
        *report["weights"], title="dev nDCG@10 (both) by the match's weight beside the similarity"
    )
    weights.add_row(*(f"{value:.3f}" for value in report["weights"].values()))
    yield weights
    for name, methods in report["quality"].items():
        table = Table("titles", "method", *SHOWN, title=f"indexed: {name}", caption=report["machine"])
        for language in LANGUAGES:
            for method, found in methods.items():
                if language in found:
                    table.add_row(language, method, *(f"{found[language][column]:.3f}" for column in SHOWN))
        yield table


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="the catalogue's manifest.jsonl, or its folder"
    )
    parser.add_argument("--split", default="validation", help="default: %(default)s")
    parser.add_argument(
        "--repository", type=Path, default=Path("artifacts/model_repository"), help="default: %(default)s"
    )
    parser.add_argument("--output", type=Path, help="where to write the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
