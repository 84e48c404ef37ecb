"""The publishing stage: the last parts that were made become the next version in the model repository."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from trifuse.artifacts import read_manifest, stage_folder
from trifuse.errors import ArtifactError
from trifuse.serving.probe import probe
from trifuse.serving.repository import publish as publish_folder
from trifuse.serving.server_environment import default_location
from trifuse.serving.versions import check_digests, published_versions, served_version
from trifuse.stages.chain import EXPORT, QUANTIZE, Build
from trifuse.stages.export import last_model

if TYPE_CHECKING:
    from pathlib import Path

    from trifuse.serving.live import LiveServer


def stage_to_publish(build: Build) -> str:
    """Choose the last stage that made ONNX parts. Raises ArtifactError when it's out of date."""
    exported, model = build.manifest(EXPORT).inputs, last_model(build)
    # An export that came without its models is taken as it is.
    if build.folder(model).is_dir() and exported.get(model) != build.source_digest(model):
        raise ArtifactError(
            f"the export was not made from the {model} stage as it is now",
            hint=f"Run: python build/export_onnx.py {build.system}",
        )
    if not build.folder(QUANTIZE).is_dir():
        return EXPORT
    if build.manifest(QUANTIZE).inputs[EXPORT] != build.source_digest(EXPORT):
        raise ArtifactError(
            "the quantised parts were not made from the export as it is now",
            hint=f"Run: python build/quantize.py {build.system}",
        )
    return QUANTIZE


def exported_build(system: str, artifacts: Path) -> Build:
    """Take up the build whose export is in the artifact root. Raises ArtifactError when there is none."""
    return Build(system, read_manifest(stage_folder(artifacts, system, EXPORT)).profile, artifacts)


def publish(build: Build, repository: Path, definition: Path, server: LiveServer | None = None) -> int:
    """Try the parts in a server of their own and publish them; returns the version.

    `definition` is the folder in git that holds the shims; `server` is a running one that loads the version.
    """
    stage = build.folder(stage_to_publish(build))
    try_it = partial(probe, contract=build.contract, server_environment=default_location())
    return publish_folder(stage, repository, build.contract, definition, probe=try_it, server=server)


def is_published(build: Build, repository: Path) -> bool:
    """Say whether the parts are the latest version, served, and whole."""
    versions = published_versions(repository, build.system)
    if not versions:
        return False
    latest = max(versions)
    made = read_manifest(build.folder(stage_to_publish(build))).files
    try:
        check_digests(repository, versions[latest])
        served = served_version(repository, build.contract)
    except ArtifactError:
        return False
    return made.items() <= versions[latest].inputs.items() and served == latest
