"""Publish systems into a Triton model repository, version by version; `versions` tells its layout."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse.artifacts import Manifest, digest, verify, write_file
from trifuse.contracts import PREPROCESS
from trifuse.errors import ArtifactError, ContractMismatchError, TrifuseError
from trifuse.serving.cores import available_cores
from trifuse.serving.onnx_header import check_versions, read_header
from trifuse.serving.placing import forget, place, withdraw
from trifuse.serving.rendering import render, render_gpu_configs
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
        place(staging, repository, contract, bundle, known=known)
        _place_gpu_configs(repository, contract)
        try:
            switch(repository, contract, version, server)
        except TrifuseError:
            if not known:
                withdraw(staging, repository, contract, version)
                if server and bundles:
                    forget(repository, contract, version, server)
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
    """List the files of the version folders with their sources, by model.

    `<part>.onnx` becomes `model.onnx`; forms of a part for GPUs beside it keep their endings as well.
    """
    assets = stage / ASSETS
    preprocess = {str(path.relative_to(assets)): path for path in assets.rglob("*") if path.is_file()}
    files = {contract.model_name(PREPROCESS): preprocess | {"model.py": shim}}
    for part in contract.parts:
        files[contract.model_name(part.name)] = {
            f"model{path.name.removeprefix(part.name)}": path for path in stage.glob(f"{part.name}.*")
        }
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


def _place_gpu_configs(repository: Path, contract: SystemContract) -> None:
    """Write the configurations for GPUs that are missing or other than they should be.

    No version owns them: they say the same for all, and a server for CPUs does not read them.
    """
    for name, config in render_gpu_configs(contract).items():
        path = repository / name
        # A server for GPUs loads all versions anew for a configuration that is newer.
        if not path.is_file() or path.read_text(encoding="utf-8") != config:
            write_file(path, config)


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
