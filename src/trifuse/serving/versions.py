"""What a model repository holds: the published versions of its systems, and the ones that are served.

A repository holds one folder per model, and for each published version of a system a bundle manifest
`<system>-<version>.json` that lists its files. The configurations of a version's ensembles lie together in
its folder of the system's first ensemble. There, the link `served` leads to one version, and the
config.pbtxt of every ensemble is a link that passes through it: replacing that one link switches them all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse import systems
from trifuse.artifacts import Manifest, digest
from trifuse.errors import ArtifactError, ConfigurationError, ContractMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trifuse.contracts import SystemContract

CONFIG = "config.pbtxt"
SERVED = "served"


def ensemble_models(contract: SystemContract) -> list[str]:
    """Name the ensembles' models; the first one's folder holds the configurations of all."""
    return [contract.model_name(ensemble.name) for ensemble in contract.ensembles]


def config_link(contract: SystemContract, model: str) -> Path:
    """Name what the config.pbtxt of an ensemble is a link to."""
    return Path("..", ensemble_models(contract)[0], SERVED, f"{model}.pbtxt")


def bundle_path(repository: Path, system: str, version: int) -> Path:
    """Name the bundle manifest of a version."""
    return repository / f"{system}-{version}.json"


def published_versions(repository: Path, system: str) -> dict[int, Manifest]:
    """Read the bundle manifests of a system, by version. Raises ArtifactError for a damaged one."""
    bundles = {}
    for path in repository.glob(f"{system}-*.json"):
        try:
            manifest = Manifest(**json.loads(path.read_text(encoding="utf-8")))
            bundles[int(manifest.details["version"])] = manifest
        except (ValueError, TypeError, KeyError) as error:
            raise ArtifactError(f"the bundle manifest {path} cannot be read", got=error) from error
    return dict(sorted(bundles.items()))


def published_systems(repository: Path) -> list[tuple[SystemContract, int]]:
    """Find the systems in a repository: their contracts, each with the version that its ensembles serve.

    Raises ContractMismatchError or ArtifactError when what is published does not fit this code or itself.
    """
    published = []
    for contract in _published_contracts(repository):
        version = served_version(repository, contract)
        _check_sizes(repository, contract.system, version)
        published.append((contract, version))
    return published


def published_contract(repository: Path, system: str) -> SystemContract:
    """Find a published system's contract. Raises ConfigurationError when it was not published there."""
    for contract, _ in published_systems(repository):
        if contract.system == system:
            return contract
    raise ConfigurationError(
        f"{system} is not published in {repository}", hint=f"Run: python build/publish.py {system}"
    )


def served_version(repository: Path, contract: SystemContract) -> int:
    """Read which version the ensembles serve. Raises ArtifactError when one does not follow the link."""
    models = ensemble_models(contract)
    links = {repository / model / CONFIG: config_link(contract, model) for model in models}
    served = repository / models[0] / SERVED
    for path, target in links.items():
        if not (served.is_symlink() and path.is_symlink() and path.readlink() == target and path.is_file()):
            raise ArtifactError(
                f"{path} is not what was published",
                expected=f"a link to {target}",
                hint=f"Publish again: python build/publish.py {contract.system}",
            )
    return int(served.readlink().name)


def check_same_contract(repository: Path, contract: SystemContract, bundles: Mapping[int, Manifest]) -> None:
    """Refuse a repository with versions of another contract. Raises ContractMismatchError."""
    for bundle in bundles.values():
        if bundle.contract_hash != contract.hash:
            raise ContractMismatchError(
                f"{repository} holds {contract.system} under another contract",
                got=f"{bundle.profile} {bundle.contract_hash}",
                expected=f"{contract.profile} {contract.hash}",
                hint="Name another folder with --repository, or delete this one and publish again",
            )


def check_digests(repository: Path, bundle: Manifest) -> None:
    """Compare a version's files with its bundle. Raises ArtifactError that names the first difference."""
    for name, expected in bundle.files.items():
        path = repository / name
        found = digest(path) if path.is_file() else "no file"
        if found != expected:
            raise ArtifactError(
                f"version {bundle.details['version']} of {bundle.system} is damaged: {path}",
                got=found,
                expected=expected,
                hint="Choose another version, or publish its export again",
            )


def _published_contracts(repository: Path) -> Iterator[SystemContract]:
    for system in systems.available():
        bundles = published_versions(repository, system)
        if bundles:
            contract = systems.contract(system, bundles[max(bundles)].profile)
            check_same_contract(repository, contract, bundles)
            yield contract


def _check_sizes(repository: Path, system: str, served: int) -> None:
    """Compare the files' sizes with the bundles; a folder of a version that is not served may be deleted."""
    for version, bundle in published_versions(repository, system).items():
        for name, size in bundle.sizes.items():
            path = repository / name
            found = path.stat().st_size if path.is_file() else None
            folder = repository.joinpath(*Path(name).parts[:2])
            if found == size or (version != served and not folder.exists()):
                continue
            raise ArtifactError(
                f"{path} is not what was published",
                got="no file" if found is None else f"{found} bytes",
                expected=f"{size} bytes",
                hint=f"Publish again: python build/publish.py {system}"
                if version == served
                else f"Version {served} is served: delete {folder}",
            )
