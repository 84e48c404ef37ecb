"""Versions of the services: the data that they hold is published, swapped and rolled back by itself.

A service that holds data has a folder for each version, and its config.pbtxt names the one that answers:
replacing that file is the switch. The services that only call models have one version.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

from trifuse.artifacts import MANIFEST, Manifest, read_manifest, write_file, write_manifest
from trifuse.errors import ConfigurationError, ServerError, TrifuseError
from trifuse.serving.cores import available_cores
from trifuse.serving.rendering import render_services
from trifuse.serving.switching import exclusive_staging
from trifuse.serving.versions import CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from trifuse.contracts import ServiceSpec, SystemContract
    from trifuse.serving.live import LiveServer

_SHIM = "model.py"
_CALLER_VERSION = 1
_KEPT_VERSIONS = 3
_SERVED = re.compile(r"versions: \[?(\d+)")


def service_versions(repository: Path, contract: SystemContract, service: str) -> dict[int, Manifest]:
    """Read the manifests of a service's published versions."""
    home = repository / contract.model_name(service)
    folders = [path.parent for path in home.glob(f"[0-9]*/{MANIFEST}")]
    return {
        version: read_manifest(home / str(version)) for version in sorted(int(path.name) for path in folders)
    }


def served_service_version(repository: Path, contract: SystemContract, service: str) -> int | None:
    """Read which version of a service its configuration names; None when nothing was published."""
    config = repository / contract.model_name(service) / CONFIG
    named = _SERVED.search(config.read_text(encoding="utf-8")) if config.is_file() else None
    return int(named.group(1)) if named else None


def publish_service(
    repository: Path,
    contract: SystemContract,
    service: str,
    definition: Path,
    make: Callable[[Path, Path | None], Mapping[str, Any]],
    server: LiveServer | None = None,
) -> int:
    """Publish the next version of a service's data and return the version.

    `make` writes the data into an empty folder, is told the folder that is served now, and returns the fields
    of Manifest that tell of the data (`details`, `inputs`, …). `definition` holds the shims. A publication
    that is killed or fails leaves everything as it was. The services that only call models are put in place
    as well. Raises what `make` raises, and ServerError.
    """
    name = contract.model_name(service)
    home = repository / name
    with exclusive_staging(repository) as staging:
        served = served_service_version(repository, contract, service)
        version = max(service_versions(repository, contract, service), default=0) + 1
        folder = staging / name / str(version)
        folder.mkdir(parents=True)
        told = make(folder, home / str(served) if served else None)
        write_manifest(folder, Manifest(contract.system, service, contract.profile, contract.hash, **told))
        shutil.copyfile(definition / name / "1" / _SHIM, folder / _SHIM)
        if served:
            folder.rename(home / str(version))
        else:
            # A model without a configuration would keep a server from starting: both come at once.
            write_file(staging / name / CONFIG, _config(contract, service, version))
            shutil.rmtree(home, ignore_errors=True)
            repository.mkdir(exist_ok=True)
            (staging / name).rename(home)
        try:
            _serve(repository, contract, service, version, server)
        except TrifuseError:
            shutil.rmtree(home / str(version) if served else home)
            raise
        _place_callers(repository, contract, definition, server)
        _prune(home, version)
    return version


def roll_back_service(
    repository: Path, contract: SystemContract, service: str, version: int, server: LiveServer | None = None
) -> None:
    """Serve a published version again, older or newer. Raises ConfigurationError and ServerError."""
    known = service_versions(repository, contract, service)
    if version not in known:
        raise ConfigurationError(
            f"{repository} has no such version of {contract.model_name(service)}",
            got=version,
            expected=f"one of {', '.join(map(str, known))}" if known else None,
        )
    with exclusive_staging(repository):
        _serve(repository, contract, service, version, server)


def _serve(
    repository: Path, contract: SystemContract, service: str, version: int, server: LiveServer | None
) -> None:
    """Let the configuration name a version, and a running server load it; on failure all is as before."""
    name = contract.model_name(service)
    config = repository / name / CONFIG
    before, served = config.read_text(encoding="utf-8"), served_service_version(repository, contract, service)
    write_file(config, _config(contract, service, version))
    if server is None:
        return
    try:
        server.load_version(name, version)
    except TrifuseError as error:
        if served != version:
            _forget(config, before, version, served, server)
        raise ServerError(f"version {version} of {name} could not be loaded", got=error) from error


def _forget(config: Path, before: str, version: int, served: int | None, server: LiveServer) -> None:
    """Let a server go back to the version that it served.

    Triton is not ready as long as a version's last load failed, even when the version is gone. Therefore the
    version that is served first takes its place and loads.
    """
    home, failed = config.parent, config.parent / str(version)
    aside = failed.rename(home / f".{version}")
    shutil.copytree(home / str(served), failed, copy_function=os.link)
    with contextlib.suppress(TrifuseError):
        # The configuration names the version that failed: it loads now.
        config.touch()
        server.load(home.name)
    write_file(config, before)
    with contextlib.suppress(TrifuseError):
        server.load(home.name)
    shutil.rmtree(failed)
    aside.rename(failed)


def _config(contract: SystemContract, service: str, version: int) -> str:
    return render_services(contract, version, available_cores())[contract.model_name(service)]


def _place_callers(
    repository: Path, contract: SystemContract, definition: Path, server: LiveServer | None
) -> None:
    for service in contract.services:
        if service.holds_data:
            continue
        name = contract.model_name(service.name)
        is_new = _place_caller(repository, contract, service, definition)
        if server and (is_new or not server.is_ready(name)):
            server.load_version(name, _CALLER_VERSION)


def _place_caller(repository: Path, contract: SystemContract, service: ServiceSpec, definition: Path) -> bool:
    """Write what is missing or other than it should be; the configuration last. Says whether it was."""
    name = contract.model_name(service.name)
    shim = (definition / name / "1" / _SHIM).read_text(encoding="utf-8")
    wanted = {
        f"{_CALLER_VERSION}/{_SHIM}": shim,
        CONFIG: _config(contract, service.name, _CALLER_VERSION),
    }
    home = repository / name
    if all(
        (home / path).is_file() and (home / path).read_text(encoding="utf-8") == text
        for path, text in wanted.items()
    ):
        return False
    for path, text in wanted.items():
        write_file(home / path, text)
    return True


def _prune(home: Path, served: int) -> None:
    versions = sorted(int(path.name) for path in home.iterdir() if path.name.isdigit())
    for version in versions[:-_KEPT_VERSIONS]:
        if version != served:
            shutil.rmtree(home / str(version))
