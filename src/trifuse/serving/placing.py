"""Put a version's files in their places, and take them out again."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse.artifacts import Manifest, digest, write_file
from trifuse.errors import TrifuseError
from trifuse.serving.versions import (
    CONFIG,
    SERVED,
    bundle_path,
    ensemble_models,
    published_versions,
    served_version,
)

if TYPE_CHECKING:
    from trifuse.contracts import SystemContract
    from trifuse.serving.live import LiveServer


def place(
    staging: Path, repository: Path, contract: SystemContract, bundle: Manifest, *, known: bool
) -> None:
    """Move what is not yet in place there, and then record the version: from here on it is complete.

    Of a version that is `known`, only what is missing or altered is moved.
    """
    version = bundle.details["version"]
    repository.mkdir(exist_ok=True)
    # An ensemble only works after what it consists of.
    for name in (*_part_models(contract), *ensemble_models(contract)):
        intact = known and _is_intact(repository, name, bundle)
        _place_model(staging / name, repository / name, str(version), intact=intact)
    if not known:
        content = json.dumps(asdict(bundle), indent=2, ensure_ascii=False) + "\n"
        write_file(bundle_path(repository, contract.system, version), content)


def withdraw(staging: Path, repository: Path, contract: SystemContract, version: int) -> None:
    """Take a version out again that no ensemble serves; a system's only version leaves with its models."""
    bundle_path(repository, contract.system, version).unlink()
    only = not published_versions(repository, contract.system)
    for name in reversed((*_part_models(contract), *ensemble_models(contract))):
        placed = Path(name) if only else Path(name, str(version))
        withdrawn = staging / "withdrawn" / placed
        withdrawn.parent.mkdir(parents=True, exist_ok=True)
        (repository / placed).rename(withdrawn)


def forget(repository: Path, contract: SystemContract, version: int, server: LiveServer) -> None:
    """Let a server unload a version that was withdrawn.

    Triton is not ready as long as a version's last load failed, even when the version is gone. Therefore
    the version that is served first takes its place and loads.
    """
    served = served_version(repository, contract)
    folders = [repository / model for model in _part_models(contract)]
    with contextlib.suppress(TrifuseError):
        for folder in folders:
            # Triton loads what is newer than what it has.
            shutil.copytree(folder / str(served), folder / str(version), copy_function=shutil.copyfile)
        server.load_parts(contract, version)
    for folder in folders:
        shutil.rmtree(folder / str(version))
    with contextlib.suppress(TrifuseError):
        server.load_parts(contract, served)


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


def _part_models(contract: SystemContract) -> list[str]:
    return [contract.model_name(model.name) for model in (contract.preprocess, *contract.parts)]
