"""What was measured, from the server and from what was published there; nothing is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trifuse.serving.versions import published_versions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from trifuse.client import TritonClient
    from trifuse.contracts import SystemContract

_TIMEOUT_S = 10.0


def served_as(
    triton: TritonClient, contract: SystemContract, models: Iterable[str], repository: Path | None
) -> dict[str, Any]:
    """Tell the `profile`, the `contract_hash` and the `versions` of models that a server says it serves.

    With the repository that it serves from, `published` holds when, by which release and from which files
    (SHA-256) each of these versions was made. Raises InputError for a model that is not served.
    """
    versions = {model: triton.metadata(model).version for model in models}
    found = _parameters(triton, contract.model_name(contract.preprocess.name))
    label = {"profile": found["profile"], "contract_hash": found["contract_hash"], "versions": versions}
    if repository is None:
        return label
    bundles = published_versions(repository, contract.system)
    served = sorted({int(version) for version in versions.values()} & bundles.keys())
    return label | {
        "published": {
            str(number): {
                "published": bundles[number].details.get("published"),
                "trifuse": bundles[number].versions.get("trifuse"),
                "files": bundles[number].inputs,
            }
            for number in served
        }
    }


def _parameters(triton: TritonClient, model: str) -> dict[str, str]:
    """Read the parameters of a model's configuration, which `TritonClient.metadata` leaves out."""
    endpoint = triton.endpoint
    connection = endpoint.connect(_TIMEOUT_S)
    try:
        found = connection.get_model_config(model, **endpoint.json_options)
    finally:
        connection.close()
    parameters = found.get("config", found).get("parameters", {})
    return {name: value["string_value"] for name, value in parameters.items()}
