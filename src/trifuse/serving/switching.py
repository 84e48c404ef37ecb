"""Choose which published version of a system is served: on disk, and in a server that runs."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse import systems
from trifuse.errors import ArtifactError, ConfigurationError, ServerError, TrifuseError
from trifuse.serving.versions import (
    SERVED,
    check_digests,
    check_same_contract,
    ensemble_models,
    published_versions,
    served_version,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trifuse.contracts import SystemContract
    from trifuse.serving.live import LiveServer


def rollback(repository: Path, system: str, version: int, server: LiveServer | None = None) -> None:
    """Serve a published version again, older or newer, once its files are known to be undamaged.

    Raises ConfigurationError for an unknown version, ArtifactError for a damaged one, ServerError when
    `server` cannot load it; then the ensembles stay where they were.
    """
    bundles = published_versions(repository, system)
    if version not in bundles:
        raise ConfigurationError(
            f"{repository} has no such version of {system}",
            got=version,
            expected=f"one of {', '.join(map(str, bundles))}" if bundles else None,
            hint=None if bundles else f"Publish one first: python build/publish.py {system}",
        )
    contract = systems.contract(system, bundles[version].profile)
    check_same_contract(repository, contract, bundles)
    with exclusive_staging(repository):
        check_digests(repository, bundles[version])
        switch(repository, contract, version, server)


def switch(
    repository: Path, contract: SystemContract, version: int, server: LiveServer | None = None
) -> None:
    """Let all ensembles serve a version that is in place, also in `server` when it is given.

    Raises ArtifactError when it has no ensembles, and ServerError when the server cannot load it: folder and
    server are back at the former version then.
    """
    previous = served_version(repository, contract)
    if server is None:
        _point(repository, contract, version)
        return
    try:
        server.load_parts(contract, version)
        _point(repository, contract, version)
        server.load_ensembles(contract, version)
    except TrifuseError as error:
        if served_version(repository, contract) != previous:
            _point(repository, contract, previous)
            server.load_ensembles(contract, previous)
        stays = f"; version {previous} stays" if previous != version else ""
        raise ServerError(
            f"version {version} of {contract.system} could not be loaded{stays}", got=error
        ) from error


def _point(repository: Path, contract: SystemContract, version: int) -> None:
    models = ensemble_models(contract)
    home = repository / models[0]
    for model in models:
        config = home / str(version) / f"{model}.pbtxt"
        if not config.is_file():
            raise ArtifactError(
                f"version {version} of {contract.system} has no configuration of {model}",
                got=f"no {config}",
                hint="Publish its export again",
            )
        # Triton ignores a configuration that is older than the one it has.
        config.touch()
        # Triton looks for a folder of the version, although an ensemble has nothing in it.
        (repository / model / str(version)).mkdir(exist_ok=True)
    link = home / f".{SERVED}"
    link.unlink(missing_ok=True)
    link.symlink_to(str(version))
    link.replace(home / SERVED)


@contextlib.contextmanager
def exclusive_staging(repository: Path) -> Iterator[Path]:
    """Yield an empty folder while no other change of the repository is made: they wait for each other.

    The folder and the lock are beside the repository: within it, Triton would take them for models.
    """
    parent, name = repository.resolve().parent, repository.resolve().name
    parent.mkdir(parents=True, exist_ok=True)
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
