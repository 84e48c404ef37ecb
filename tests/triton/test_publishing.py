"""Publishing into a running server and back, what is refused before it is placed, and what a kill leaves."""

from __future__ import annotations

import asyncio
import math
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.core.exports import snapshot
from tests.triton.adding import write_adding_export
from tests.triton.served import script
from tests.triton.swapping import CONTRACT, INPUTS, MODELS, STEP, SYSTEM, Load, assert_is, embedded
from trifuse.artifacts import stage_folder
from trifuse.client import Answer, AsyncTritonClient, TritonClient
from trifuse.errors import ArtifactError, ServerError
from trifuse.serving.embedded import EmbeddedTriton
from trifuse.serving.live import LiveServer
from trifuse.serving.probe import probe
from trifuse.serving.repository import publish
from trifuse.serving.switching import rollback, switch
from trifuse.serving.versions import published_systems, served_version

SWITCHES = 6
TRIFUSE = "import sys; from trifuse.cli import main; sys.exit(main(sys.argv[1:]))"


class Running(NamedTuple):
    artifacts: Path
    models: Path
    triton: EmbeddedTriton


def write_version(artifacts: Path, version: int, fault: str = "") -> Path:
    """Write the export that becomes that version; the parts' sum tells it, and so does its vocabulary."""
    export = stage_folder(artifacts, SYSTEM, "export")
    shutil.rmtree(export, ignore_errors=True)
    return write_adding_export(export, CONTRACT, STEP * version, fault=fault, words=version)


def trifuse(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TRIFUSE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def server_at_one(
    tmp_path_factory: pytest.TempPathFactory, definition: Path, server_environment: Path
) -> Iterator[Running]:
    """A running server with version 1."""
    artifacts = tmp_path_factory.mktemp("artifacts")
    models = artifacts / "model_repository"
    publish(write_version(artifacts, 1), models, CONTRACT, definition, cores=2)
    with embedded(models, server_environment) as triton:
        yield Running(artifacts, models, triton)


@pytest.fixture(scope="module")
def published(server_at_one: Running) -> Running:
    """The same server with version 2 as well, published by the script while it runs."""
    write_version(server_at_one.artifacts, 2)
    url = server_at_one.triton.grpc_url
    done = script("build/publish.py", SYSTEM, "--artifacts", server_at_one.artifacts, "--url", url)
    assert f"{SYSTEM}: version 2 (profile smoke) is published" in done.stdout
    assert f"The server at {url} has loaded it." in done.stdout
    return server_at_one


@pytest.fixture
def running(published: Running) -> Running:
    """That server, at version 2."""
    with LiveServer(published.triton.grpc_url) as server:
        rollback(published.models, SYSTEM, 2, server)
    return published


def assert_serves(running: Running, version: int) -> None:
    """Assert that folder and server are at that version, for each ensemble."""
    assert published_systems(running.models) == [(CONTRACT, version)]
    with TritonClient(running.triton.grpc_url) as client:
        for model, inputs in INPUTS.items():
            assert_is(version, model, client.infer(model, inputs))


def test_versions_are_swapped_under_load_without_a_failed_or_mixed_answer(
    published: Running, definition: Path
) -> None:
    models, url = published.models, published.triton.grpc_url
    with LiveServer(url) as server, Load(url) as load:
        for turn in range(SWITCHES):
            version = 1 + turn % 2
            rollback(models, SYSTEM, version, server)
            load.wait_for(version)
        export = write_version(published.artifacts, 3)
        assert publish(export, models, CONTRACT, definition, server=server) == 3
        load.wait_for(3)
        assert trifuse("rollback", SYSTEM, 2, "--repository", models, "--url", url).returncode == 0
        load.wait_for(2)
    assert load.failures == []
    # One answer for each ensemble and version, whatever was being loaded meanwhile.
    assert sorted((model, version) for model, version, _ in load.answers) == sorted(
        (model, version) for model in MODELS for version in (1, 2, 3)
    )


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_every_transport_tells_the_version(running: Running, protocol: str) -> None:
    url = {"grpc": running.triton.grpc_url, "http": running.triton.http_url}[protocol]

    async def ask(model: str) -> Answer:
        async with AsyncTritonClient(url, protocol=protocol) as client:
            return await client.infer(model, INPUTS[model])

    for model in MODELS:
        with TritonClient(url, protocol=protocol) as client:
            assert_is(2, model, client.infer(model, INPUTS[model]))
        assert_is(2, model, asyncio.run(ask(model)))


def test_rollback_without_a_url_leaves_the_server_alone(running: Running) -> None:
    done = trifuse("rollback", SYSTEM, 1, "--repository", running.models)
    assert done.returncode == 0, done.stderr
    assert "told with --url" in done.stdout
    assert served_version(running.models, CONTRACT) == 1
    with TritonClient(running.triton.grpc_url) as client:
        for model, inputs in INPUTS.items():
            assert_is(2, model, client.infer(model, inputs))
    url = running.triton.grpc_url
    assert trifuse("rollback", SYSTEM, 1, "--repository", running.models, "--url", url).returncode == 0
    assert_serves(running, 1)


def test_a_damaged_version_is_not_loaded(running: Running) -> None:
    path = running.models / CONTRACT.model_name(CONTRACT.parts[0].name) / "1" / "model.onnx"
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))
    try:
        url = running.triton.grpc_url
        refused = trifuse("rollback", SYSTEM, 1, "--repository", running.models, "--url", url)
    finally:
        path.write_bytes(content)
    assert refused.returncode == ArtifactError.exit_code
    assert f"version 1 of {SYSTEM} is damaged: {path}" in refused.stderr
    assert_serves(running, 2)


class TestFailedLoads:
    """What the server cannot load changes neither the folder nor the server."""

    def test_a_part_that_does_not_load(self, running: Running, definition: Path) -> None:
        before = snapshot(running.models)
        export = write_version(running.artifacts, 9, fault="cannot load")
        with LiveServer(running.triton.grpc_url) as server:
            with pytest.raises(ServerError, match=r"could not be loaded; version 2 stays: .*NoSuchOperator"):
                publish(export, running.models, CONTRACT, definition, cores=2, server=server)
            assert snapshot(running.models) == before
            assert_serves(running, 2)
            with TritonClient(running.triton.grpc_url) as client:
                client.wait_until_ready(timeout_s=10)
            export = write_version(running.artifacts, 4)
            version = publish(export, running.models, CONTRACT, definition, cores=2, server=server)
        assert published_systems(running.models) == [(CONTRACT, version)]
        with TritonClient(running.triton.grpc_url) as client:
            answer = client.infer("product_match", INPUTS["product_match"])
        assert answer.model_version == version

    def test_an_ensemble_that_does_not_load(self, running: Running) -> None:
        *_, last = MODELS
        config = running.models / next(iter(MODELS)) / "1" / f"{last}.pbtxt"
        content = config.read_text()
        step = CONTRACT.model_name("preprocess")
        config.write_text(content.replace(step, step.upper()))
        with LiveServer(running.triton.grpc_url) as server:
            with pytest.raises(ServerError, match=f"version 2 stays: .*cannot load {last}"):
                switch(running.models, CONTRACT, 1, server)
            assert_serves(running, 2)
            config.write_text(content)
            switch(running.models, CONTRACT, 1, server)
        assert_serves(running, 1)

    def test_a_server_of_another_folder(self, running: Running, tmp_path: Path, definition: Path) -> None:
        copy = running._replace(models=tmp_path / "models")
        shutil.copytree(running.models, copy.models, symlinks=True)
        export = write_adding_export(tmp_path / "export", CONTRACT, 5 * STEP)
        with (
            LiveServer(running.triton.grpc_url) as server,
            pytest.raises(ServerError, match="Does it serve the repository that was published to"),
        ):
            publish(export, copy.models, CONTRACT, definition, server=server)
        assert_serves(running, 2)
        assert snapshot(copy.models) == snapshot(running.models)

    def test_a_first_version_leaves_with_its_models(
        self, running: Running, tmp_path: Path, definition: Path
    ) -> None:
        export = write_adding_export(tmp_path / "export", CONTRACT, STEP)
        with (
            LiveServer(running.triton.grpc_url) as server,
            pytest.raises(ServerError, match=r"does not find version 1 of .* got version 2"),
        ):
            publish(export, tmp_path / "models", CONTRACT, definition, server=server)
        assert list((tmp_path / "models").iterdir()) == []
        assert_serves(running, 2)


@pytest.mark.parametrize(
    ("value", "fault", "reason"),
    [
        (1, "cannot load", "NoSuchOperator"),
        (1, "cannot infer", r"canary inference through product_embed failed.*out of data bounds"),
        (math.nan, "", r"no numbers in '.*'.* like nan, expected finite values"),
    ],
    ids=["cannot load", "cannot infer", "not finite"],
)
def test_what_does_not_work_in_a_server_is_not_published(
    tmp_path: Path, definition: Path, server_environment: Path, value: float, fault: str, reason: str
) -> None:
    models = tmp_path / "models"
    publish(write_adding_export(tmp_path / "good", CONTRACT, 1), models, CONTRACT, definition)
    before = snapshot(models)
    bad = write_adding_export(tmp_path / "bad", CONTRACT, value, fault=fault)
    try_it = partial(probe, contract=CONTRACT, server_environment=server_environment)
    with pytest.raises(ServerError, match=f"{SYSTEM} was not published.*{reason}"):
        publish(bad, models, CONTRACT, definition, probe=try_it)
    assert snapshot(models) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".models.lock", "bad", "good", "models"]


def test_a_publication_killed_at_random_leaves_a_repository_that_serves(
    tmp_path: Path, definition: Path, server_environment: Path
) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from trifuse import systems\n"
        "from trifuse.serving.repository import publish\n"
        f"contract = systems.contract('{SYSTEM}', 'smoke')\n"
        "stage, models, definition = map(Path, sys.argv[1:])\n"
        "print('ready', flush=True)\n"
        "publish(stage, models, contract, definition)\n"
    )
    models = tmp_path / "models"
    for version in (1, 2, 3):
        export = write_adding_export(tmp_path / f"{version}", CONTRACT, STEP * version, words=version)
        command = [sys.executable, "-c", program, *map(str, (export, models, definition))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as publishing:
            assert publishing.stdout is not None
            assert publishing.stdout.readline() == "ready\n"
            time.sleep(random.uniform(0, 0.1))
            publishing.send_signal(signal.SIGKILL)
        for _, served in published_systems(models):
            assert served in (version - 1, version)
            with embedded(models, server_environment) as triton:
                assert_serves(Running(tmp_path, models, triton), served)
        assert publish(export, models, CONTRACT, definition) == version
        assert published_systems(models) == [(CONTRACT, version)]
