"""Fit recommendations on purchases and publish them: `python build/recommender.py SYSTEM TRANSACTIONS`.

The products' photos and titles come from the index of the catalogue, which must be published first.
"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Any

from rich.console import Console

from trifuse.artifacts import digest
from trifuse.command_line import run
from trifuse.errors import ConfigurationError
from trifuse.retrieval.collaborative import fit
from trifuse.retrieval.index import CatalogueIndex
from trifuse.retrieval.lending import lend
from trifuse.retrieval.recommender import MODEL, Recommender, Settings
from trifuse.retrieval.transactions import read_transactions
from trifuse.serving.live import NOT_TOLD, LiveServer
from trifuse.serving.services import publish_service, served_service_version
from trifuse.serving.versions import published_contract
from trifuse.systems import available

SERVICE, INDEX = "recommend", "index"
DEFINITION = Path(__file__).resolve().parent.parent / "model_repository"

console = Console()


def main() -> None:
    """Fit the statistics of the purchases and publish them as the service's next version."""
    options = parse()
    contract = published_contract(options.repository, options.system)
    contract.service(SERVICE)
    served = served_service_version(options.repository, contract, INDEX)
    if served is None:
        raise ConfigurationError(
            "there is no index of the catalogue yet",
            hint="Publish one: python clients/index.py build CATALOG",
        )
    purchases = read_transactions(options.transactions)
    index = CatalogueIndex.load(options.repository / contract.model_name(INDEX) / str(served))
    recommender = Recommender(lend(fit(purchases), index.nearest), Settings())

    def make(folder: Path, _: Path | None) -> dict[str, dict[str, Any]]:
        recommender.save(folder / MODEL)
        return {"inputs": {"transactions": digest(options.transactions)}, "details": details}

    products = len(recommender.statistics.product_ids)
    details = {"products": products, "until_s": recommender.statistics.until_s}
    with LiveServer(options.url) if options.url else contextlib.nullcontext() as server:
        version = publish_service(options.repository, contract, SERVICE, DEFINITION, make, server)
    console.print(f"Version {version}: {len(purchases)} purchases of {products} products.")
    console.print(f"The server at {options.url} has loaded it." if options.url else NOT_TOLD)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=available())
    parser.add_argument("transactions", type=Path, help="CSV with the header time,user_id,product_id")
    parser.add_argument(
        "--repository", type=Path, default=Path("artifacts/model_repository"), help="default: %(default)s"
    )
    parser.add_argument(
        "--url", metavar="HOST:PORT", help="the gRPC address of a running server that shall load it"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
