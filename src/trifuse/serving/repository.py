"""Publish exported systems into a Triton model repository, version by version, and read what is published.

A repository holds one folder per model, and for each published version of a system a bundle manifest
`<system>-<version>.json` that lists its files.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from trifuse import systems
from trifuse.artifacts import Manifest, digest, verify, write_file
from trifuse.contracts import PREPROCESS
from trifuse.errors import ArtifactError, ContractMismatchError
from trifuse.serving.cores import available_cores
from trifuse.serving.onnx_header import check_versions, read_header
from trifuse.serving.rendering import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trifuse.contracts import SystemContract

CONFIG = "config.pbtxt"
SHIM = Path("1") / "model.py"
ASSETS = "assets"


def publish(
    export: Path, repository: Path, contract: SystemContract, definition: Path, *, cores: int | None = None
) -> int:
    """Publish an export stage's folder as the system's next version, and return the version.

    `definition` is the folder in git that holds the shims. Parts are put in place first; the ensembles,
    which choose the version that answers, last: a publication killed at any moment leaves each ensemble on
    a complete version, and running it again completes it. An export that is the latest version stays that,
    and files of it that are missing or altered are put back. Raises ArtifactError or ContractMismatchError.
    """
    exported = verify(export, contract)
    _check_parts(export, contract)
    shim = definition / contract.model_name(PREPROCESS) / SHIM
    inputs = exported.files | {"shim": digest(shim)}
    with _exclusive_staging(repository) as staging:
        bundles = published_versions(repository, contract.system)
        _check_same_contract(repository, contract, bundles)
        latest = max(bundles, default=0)
        resumed = latest > 0 and bundles[latest].inputs == inputs
        version = latest if resumed else latest + 1
        configs = render(contract, version, cores or available_cores())
        for model, files in _version_files(export, contract, shim).items():
            if resumed and _is_intact(repository, model, bundles[version]):
                write_file(repository / model / CONFIG, configs[model])
            else:
                _place(staging / model, repository / model, version, configs[model], files)
        if not resumed:
            _write_bundle(repository, contract, version, replace(exported, stage="publish", inputs=inputs))
        for model in map(contract.model_name, (ensemble.name for ensemble in contract.ensembles)):
            _place(staging / model, repository / model, version, configs[model], {})
    return version


def published_versions(repository: Path, system: str) -> dict[int, Manifest]:
    """Read the bundle manifests of a system, by version. Raises ArtifactError for a damaged one."""
    bundles = {}
    for path in repository.glob(f"{system}-*.json"):
        try:
            manifest = Manifest(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise ArtifactError(f"the bundle manifest {path} cannot be read", got=error) from error
        bundles[manifest.details["version"]] = manifest
    return bundles


def published_systems(repository: Path) -> list[tuple[SystemContract, int]]:
    """Find the systems in a repository: their contracts, each with the version that its ensembles serve.

    Raises ContractMismatchError or ArtifactError when what is published does not fit this code or itself.
    """
    published = []
    for contract in _published_contracts(repository):
        version = served_version(repository, contract)
        _check_files(repository, contract.system, version)
        published.append((contract, version))
    return published


def served_version(repository: Path, contract: SystemContract) -> int:
    """Read which version the ensembles pin. Raises ArtifactError when they do not agree on one."""
    pinned = set()
    for ensemble in contract.ensembles:
        config = ModelConfig()
        with contextlib.suppress(FileNotFoundError):
            text_format.Parse((repository / contract.model_name(ensemble.name) / CONFIG).read_text(), config)
        pinned.add(tuple(config.version_policy.specific.versions))
    versions = pinned.pop()
    if pinned or len(versions) != 1:
        raise ArtifactError(
            f"the publication of {contract.system} in {repository} was interrupted",
            hint=f"Complete it with: python build/publish.py {contract.system}",
        )
    return int(versions[0])


def _published_contracts(repository: Path) -> Iterator[SystemContract]:
    for system in systems.available():
        bundles = published_versions(repository, system)
        if bundles:
            contract = systems.contract(system, bundles[max(bundles)].profile)
            _check_same_contract(repository, contract, bundles)
            yield contract


def _check_files(repository: Path, system: str, served: int) -> None:
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


def _is_intact(repository: Path, model: str, bundle: Manifest) -> bool:
    files = {repository / name: expected for name, expected in bundle.files.items()}
    return all(
        path.is_file() and digest(path) == expected
        for path, expected in files.items()
        if path.is_relative_to(repository / model)
    )


def _check_parts(export: Path, contract: SystemContract) -> None:
    for part in contract.parts:
        path = export / f"{part.name}.onnx"
        if not path.is_file():
            raise ArtifactError(
                f"the export has no {path.name}", got=f"no {path}", hint="Run the export again"
            )
        header = read_header(path)
        check_versions(path, header)
        found = header.metadata.get("contract_hash")
        if found != contract.hash:
            raise ContractMismatchError(
                f"{path} was exported under another contract",
                got=found or "no contract_hash in its metadata",
                expected=f"{contract.profile} {contract.hash}",
                hint="Run the export again",
            )


def _check_same_contract(repository: Path, contract: SystemContract, bundles: Mapping[int, Manifest]) -> None:
    for bundle in bundles.values():
        if bundle.contract_hash != contract.hash:
            raise ContractMismatchError(
                f"{repository} holds {contract.system} under another contract",
                got=f"{bundle.profile} {bundle.contract_hash}",
                expected=f"{contract.profile} {contract.hash}",
                hint="Name another folder with --repository, or delete this one and publish again",
            )


def _version_files(export: Path, contract: SystemContract, shim: Path) -> dict[str, dict[str, Path]]:
    """List the files of every version folder with their sources, by model."""
    assets = export / ASSETS
    preprocess = {str(path.relative_to(assets)): path for path in assets.rglob("*") if path.is_file()}
    files = {contract.model_name(PREPROCESS): preprocess | {"model.py": shim}}
    for part in contract.parts:
        files[contract.model_name(part.name)] = {"model.onnx": export / f"{part.name}.onnx"}
    return files


@contextlib.contextmanager
def _exclusive_staging(repository: Path) -> Iterator[Path]:
    """Yield an empty folder while no other publication into the repository runs: they wait for each other.

    The folder and the lock are beside the repository: within it, Triton would take them for models.
    """
    repository.mkdir(parents=True, exist_ok=True)
    parent, name = repository.resolve().parent, repository.resolve().name
    with (parent / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_stale(parent, f".{name}.staging-")
        staging = Path(tempfile.mkdtemp(dir=parent, prefix=f".{name}.staging-"))
        try:
            yield staging
        finally:
            shutil.rmtree(staging)


def _remove_stale(parent: Path, prefix: str) -> None:
    """Remove what killed publications left; only whoever holds the lock knows that nobody uses it."""
    for path in parent.iterdir():
        if path.name.startswith(prefix):
            shutil.rmtree(path, ignore_errors=True)


def _place(staged: Path, model: Path, version: int, config: str, files: Mapping[str, Path]) -> None:
    """Put a version and then the configuration in place, each complete or absent; a new model as a whole."""
    folder = staged / str(version)
    folder.mkdir(parents=True)
    for name, source in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / name)
    write_file(staged / CONFIG, config)
    if not model.exists():
        staged.rename(model)
        return
    target = model / folder.name
    if files:
        # It is damaged, or an interrupted publication left it and no manifest and no ensemble knows it.
        shutil.rmtree(target, ignore_errors=True)
    folder.rename(target)
    (staged / CONFIG).replace(model / CONFIG)


def _write_bundle(repository: Path, contract: SystemContract, version: int, manifest: Manifest) -> None:
    """Record the version: from here on it is complete, although no ensemble may serve it yet."""
    models = (contract.model_name(model.name) for model in (contract.preprocess, *contract.parts))
    folders = [repository / model / str(version) for model in models]
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    bundle = replace(
        manifest,
        files={str(path.relative_to(repository)): digest(path) for path in paths},
        sizes={str(path.relative_to(repository)): path.stat().st_size for path in paths},
        details={"version": version},
    )
    write_file(
        repository / f"{contract.system}-{version}.json",
        json.dumps(asdict(bundle), indent=2, ensure_ascii=False) + "\n",
    )
