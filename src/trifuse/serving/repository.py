"""Publish systems into a Triton model repository, version by version; `versions` tells its layout."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse.artifacts import Manifest, digest, verify, write_file
from trifuse.contracts import PREPROCESS
from trifuse.errors import ArtifactError, ContractMismatchError, TrifuseError
from trifuse.serving.cores import available_cores
from trifuse.serving.onnx_header import check_versions, read_header
from trifuse.serving.rendering import render
from trifuse.serving.switching import exclusive_staging, switch
from trifuse.serving.versions import (
    CONFIG,
    SERVED,
    check_same_contract,
    config_link,
    ensemble_models,
    published_versions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trifuse.contracts import SystemContract
    from trifuse.serving.live import LiveServer

SHIM = Path("1") / "model.py"
ASSETS = "assets"


def publish(
    stage: Path,
    repository: Path,
    contract: SystemContract,
    definition: Path,
    *,
    cores: int | None = None,
    probe: Callable[[Path], None] | None = None,
    server: LiveServer | None = None,
) -> int:
    """Publish the folder of the stage that wrote the parts as the next version, and return the version.

    `definition` is the folder in git that holds the shims. `probe` is called with a repository that holds
    the new version alone, and an error that it raises leaves everything as it was. `server` loads the
    version before it is served. Everything is put in place first and then one link is replaced: a publication
    killed at any moment leaves all ensembles on one complete version, and running it again completes it.
    A stage that is the latest version stays that, and files of it that are missing or altered are put back.
    Raises ArtifactError, ContractMismatchError, ServerError and what `probe` raises.
    """
    made = verify(stage, contract)
    _check_parts(stage, contract)
    shim = definition / contract.model_name(PREPROCESS) / SHIM
    inputs = made.files | {"shim": digest(shim), "ensembles": _ensembles_digest(contract)}
    with exclusive_staging(repository) as staging:
        bundles = published_versions(repository, contract.system)
        check_same_contract(repository, contract, bundles)
        latest = max(bundles, default=0)
        known = latest > 0 and bundles[latest].inputs == inputs
        version = latest if known else latest + 1
        sources = _sources(stage, contract, shim)
        _materialise(staging, contract, version, cores or available_cores(), sources)
        bundle = bundles[version] if known else _bundle(staging, version, made, inputs)
        if probe:
            probe(staging)
        _place(staging, repository, contract, bundle, known=known)
        try:
            switch(repository, contract, version, server)
        except TrifuseError:
            if not known:
                _withdraw(staging, repository, contract, version)
            raise
    return version


def _ensembles_digest(contract: SystemContract) -> str:
    configs = render(contract, version=1, cores=1)
    return hashlib.sha256("".join(map(configs.__getitem__, ensemble_models(contract))).encode()).hexdigest()


def _check_parts(stage: Path, contract: SystemContract) -> None:
    for part in contract.parts:
        path = stage / f"{part.name}.onnx"
        if not path.is_file():
            raise ArtifactError(
                f"the {stage.name} stage has no {path.name}",
                got=f"no {path}",
                hint=f"Run the {stage.name} stage again",
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


def _sources(stage: Path, contract: SystemContract, shim: Path) -> dict[str, dict[str, Path]]:
    """List the files of the version folders with their sources, by model."""
    assets = stage / ASSETS
    preprocess = {str(path.relative_to(assets)): path for path in assets.rglob("*") if path.is_file()}
    files = {contract.model_name(PREPROCESS): preprocess | {"model.py": shim}}
    for part in contract.parts:
        files[contract.model_name(part.name)] = {"model.onnx": stage / f"{part.name}.onnx"}
    return files


def _materialise(
    staging: Path,
    contract: SystemContract,
    version: int,
    cores: int,
    sources: Mapping[str, Mapping[str, Path]],
) -> None:
    """Write a repository with one version of one system."""
    configs = render(contract, version, cores)
    for model, files in sources.items():
        for name, source in files.items():
            target = staging / model / str(version) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        write_file(staging / model / CONFIG, configs[model])
    home = staging / ensemble_models(contract)[0]
    for model in ensemble_models(contract):
        (staging / model / str(version)).mkdir(parents=True)
        write_file(home / str(version) / f"{model}.pbtxt", configs[model])
        (staging / model / CONFIG).symlink_to(config_link(contract, model))
    (home / SERVED).symlink_to(str(version))


def _bundle(staging: Path, version: int, made: Manifest, inputs: dict[str, str]) -> Manifest:
    paths = sorted(path for path in staging.glob(f"*/{version}/**/*") if path.is_file())
    return replace(
        made,
        stage="publish",
        inputs=inputs,
        files={str(path.relative_to(staging)): digest(path) for path in paths},
        sizes={str(path.relative_to(staging)): path.stat().st_size for path in paths},
        details={"version": version, "published": datetime.now(UTC).isoformat(timespec="seconds")},
    )


def _place(
    staging: Path, repository: Path, contract: SystemContract, bundle: Manifest, *, known: bool
) -> None:
    """Put what is not yet in place there, and then record the version: from here on it is complete."""
    version = bundle.details["version"]
    repository.mkdir(exist_ok=True)
    for name in _models(contract):
        intact = known and _is_intact(repository, name, bundle)
        _place_model(staging / name, repository / name, str(version), intact=intact)
    if not known:
        content = json.dumps(asdict(bundle), indent=2, ensure_ascii=False) + "\n"
        write_file(_bundle_path(repository, contract, version), content)


def _place_model(staged: Path, model: Path, version: str, *, intact: bool) -> None:
    """Put a version and then the configuration in place, each complete or absent; a new model as a whole."""
    if not model.exists():
        staged.rename(model)
        return
    if not intact:
        # It is damaged, or an interrupted publication left it and no bundle and no ensemble knows it.
        shutil.rmtree(model / version, ignore_errors=True)
        (staged / version).rename(model / version)
    if (staged / SERVED).is_symlink() and not (model / SERVED).is_symlink():
        (staged / SERVED).rename(model / SERVED)
    # Triton loads all versions anew for a configuration that is newer, although it says the same.
    if not _same_config(staged / CONFIG, model / CONFIG):
        (staged / CONFIG).replace(model / CONFIG)


def _same_config(first: Path, second: Path) -> bool:
    if first.is_symlink() or second.is_symlink():
        return first.is_symlink() and second.is_symlink() and first.readlink() == second.readlink()
    return second.is_file() and first.read_bytes() == second.read_bytes()


def _is_intact(repository: Path, model: str, bundle: Manifest) -> bool:
    folder = repository / model / str(bundle.details["version"])
    files = {repository / name: expected for name, expected in bundle.files.items()}
    return folder.is_dir() and all(
        path.is_file() and digest(path) == expected
        for path, expected in files.items()
        if path.is_relative_to(folder)
    )


def _withdraw(staging: Path, repository: Path, contract: SystemContract, version: int) -> None:
    """Take a version out again that no ensemble serves; a system's first version leaves with its models."""
    _bundle_path(repository, contract, version).unlink()
    first = not published_versions(repository, contract.system)
    for name in reversed(_models(contract)):
        placed = Path(name) if first else Path(name, str(version))
        withdrawn = staging / "withdrawn" / placed
        withdrawn.parent.mkdir(parents=True, exist_ok=True)
        (repository / placed).rename(withdrawn)


def _models(contract: SystemContract) -> list[str]:
    """Name all models in the order of placing: an ensemble only works after what it consists of."""
    parts = [contract.model_name(model.name) for model in (contract.preprocess, *contract.parts)]
    return [*parts, *ensemble_models(contract)]


def _bundle_path(repository: Path, contract: SystemContract, version: int) -> Path:
    return repository / f"{contract.system}-{version}.json"
