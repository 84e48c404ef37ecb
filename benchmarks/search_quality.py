"""Does reranking help, and do words? `python benchmarks/search_quality.py --data CATALOGUE`.

Photos of a split are indexed and searched with each distinct title, through a server of its own over a copy
of the repository, so that what is served stays as it is. Photos are indexed once alone and once with titles.
What the match and the words count beside the similarity is tried on the dev part of the training photos.
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
from trifuse.catalog import find_manifest, read_catalog, split_off
from trifuse.client.encoding import bytes_tensor
from trifuse.client.triton import TritonClient
from trifuse.command_line import run
from trifuse.reporting import machine
from trifuse.serving.probe import own_server
from trifuse.serving.server_environment import default_location
from trifuse.serving.versions import published_contract
from trifuse.systems.product.client import ProductClient
from trifuse.systems.product.index_publication import IndexPublisher
from trifuse.systems.product.quality import LANGUAGES, distinct_titles, product_of, relevance
from trifuse.systems.product.recipe import recipe
from trifuse.systems.product.search import rank
from trifuse.training.metrics import area_under_roc, ndcg_at, precision_at, reciprocal_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

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
_ALL: dict[str, Any] = {"group": False, "weak": True}
SHOWN = ("category P@10", "category nDCG@10", "both P@10", "both nDCG@10", "both MRR")
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 100.0)

console = Console()


def main() -> None:
    """Measure every repository, and print the means."""
    options = parse()
    manifest = find_manifest(options.data)
    runs = [study(repository, manifest, options.split) for repository in options.repository]
    if options.output:
        report = {"machine": machine(), "data": digest(manifest), "split": options.split, "runs": runs}
        write_file(options.output, json.dumps(report, indent=1) + "\n")
    for table in tables(mean(runs), f"mean of {len(runs)} models; {machine()}"):
        console.print(table)


def study(repository: Path, manifest: Path, split: str) -> dict[str, Any]:
    """Try the weights on the dev part, and the methods with the weights that an index has on the split."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "model_repository")
        shutil.copytree(repository, copy, symlinks=True)
        contract = published_contract(copy, "product")
        items = read_catalog(manifest, split)
        _, dev = split_off(read_catalog(manifest, "train"), recipe(contract.profile).dev_share, product_of)
        with own_server(copy, contract, default_location()) as server:
            publisher = IndexPublisher(copy, contract, DEFINITION, server.grpc_url)
            return {
                "weights": weigh(publisher, dev),
                "quality": compare(publisher, items),
                "pooling": pooling(publisher, items),
            }


def mean(values: Sequence[Any]) -> Any:
    """Average numbers that are at the same place of nested dictionaries."""
    if isinstance(values[0], dict):
        return {name: mean([value[name] for value in values]) for name in values[0]}
    return float(np.mean(values))


def weigh(publisher: IndexPublisher, items: Sequence[Item]) -> dict[str, dict[str, float]]:
    """Measure nDCG@10 for each weight of the match, over photos alone, and of the words, over titles too."""
    publisher.build(without_titles(items))
    match = gains(publisher, items, "+ rerank", lambda scores, weight: rank(scores, weight, 0.0))
    publisher.build(items)
    words = gains(publisher, items, "+ words", lambda scores, weight: rank(scores, 0.0, weight))
    return {"match": match, "words": words}


def gains(
    publisher: IndexPublisher,
    items: Sequence[Item],
    method: str,
    order: Callable[[NDArray[np.float32], float], NDArray[np.int64]],
) -> dict[str, float]:
    """Search the index once by a method, and put what is found into the order of each weight."""
    found: dict[str, list[float]] = {str(weight): [] for weight in WEIGHTS}
    with TritonClient(publisher.url) as triton:
        products = ProductClient(triton)
        for _, text, relevant in queries(items):
            hits = products.search(text, top=CANDIDATES, candidates=CANDIDATES, **_ALL, **METHODS[method])
            parts = [(0.0, hit.similarity, hit.match, hit.lexical) for hit in hits]
            scores = np.array(parts, np.float32)
            total = np.array([sum(relevant["both"].values())])
            for weight in WEIGHTS:
                names = [hits[index].id for index in order(scores.copy(), weight)]
                ranked = np.array([[relevant["both"][name] for name in names]])
                found[str(weight)].append(float(ndcg_at(ranked, total, TOP)[0]))
    return {weight: float(np.mean(values)) for weight, values in found.items()}


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


def pooling(publisher: IndexPublisher, items: Sequence[Item]) -> dict[str, float]:
    """Compare the match score of stored tokens (pooled, int8) with that of the photo itself.

    The index has photos alone; the pairs are each title with its nearest photos.
    """
    publisher.build(without_titles(items))
    photos = {item.id: item.path for item in items}
    scores: list[tuple[float, float, bool]] = []
    with TritonClient(publisher.url) as triton:
        products = ProductClient(triton)
        for _, text, relevant in queries(items):
            hits = products.search(text, top=TOP, candidates=TOP, **_ALL, **METHODS["+ rerank"])
            whole = products.match_many((photos[hit.id], text) for hit in hits)
            scores += [
                (hit.match or 0.0, match.score, relevant["both"][hit.id])
                for hit, match in zip(hits, whole, strict=True)
            ]
    stored, matched, labels = map(np.array, zip(*scores, strict=True))
    return {
        "pairs": len(scores),
        "AUC, whole photo": area_under_roc(matched, labels),
        "AUC, stored tokens": area_under_roc(stored, labels),
        "mean difference of scores": float(np.abs(stored - matched).mean()),
    }


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
    hits = ProductClient(triton).search(text, top=TOP, **_ALL, **METHODS[method])
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


def tables(report: dict[str, Any], caption: str) -> Iterator[Table]:
    """Show the weights, what storing tokens costs, and the methods."""
    weights = Table("weight of", *map(str, WEIGHTS), title="dev nDCG@10 (both) by what a score counts")
    for name, found in report["weights"].items():
        weights.add_row(name, *(f"{value:.3f}" for value in found.values()))
    yield weights
    stored = Table(*report["pooling"], title="the match score from stored tokens and from the photo")
    stored.add_row(*(f"{value:.4g}" for value in report["pooling"].values()))
    yield stored
    for name, methods in report["quality"].items():
        table = Table("titles", "method", *SHOWN, title=f"indexed: {name}", caption=caption)
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
        "--repository",
        type=Path,
        nargs="+",
        default=[Path("artifacts/model_repository")],
        help="one or more whose figures are averaged (default: artifacts/model_repository)",
    )
    parser.add_argument("--output", type=Path, help="where to write the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
