"""Starting, serving, failing and stopping without Docker."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from trifuse import systems
from trifuse.errors import ConfigurationError, EnvironmentSetupError, ServerError
from trifuse.serving import embedded as module
from trifuse.serving import server_environment as environments
from trifuse.serving.canary import run_canaries
from trifuse.serving.embedded import EmbeddedTriton, free_ports
from trifuse.serving.repository import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVE = "import sys; from trifuse.cli import main; sys.exit(main(sys.argv[1:]))"
SYSTEM = "product"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, write_export: Callable, definition: Path) -> Path:
    """A published system whose parts are stand-ins."""
    folder = tmp_path_factory.mktemp("artifacts")
    contract = systems.contract(SYSTEM, "smoke")
    publish(write_export(folder / "export", contract), folder / "models", contract, definition, cores=2)
    return folder / "models"


@pytest.fixture
def empty_repository(tmp_path: Path) -> Path:
    """A repository that starts at once: one Python model that does nothing."""
    return write_python_model(tmp_path / "models", "pass")


def write_python_model(repository: Path, initialize: str) -> Path:
    (repository / "idle" / "1").mkdir(parents=True)
    (repository / "idle" / "1" / "model.py").write_text(
        f"class TritonPythonModel:\n    def initialize(self, args):\n        {initialize}\n"
    )
    (repository / "idle" / "config.pbtxt").write_text(
        'backend: "python" instance_group { kind: KIND_CPU }\n'
        'input { name: "x" data_type: TYPE_FP32 dims: [1] }\n'
        'output { name: "y" data_type: TYPE_FP32 dims: [1] }\n'
    )
    return repository


def embedded(repository: Path, environment: Path, **options: object) -> EmbeddedTriton:
    ports = dict(zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
    return EmbeddedTriton(repository, server_environment=environment, **(ports | options))


def processes_of(repository: Path) -> list[str]:
    """The server and its stubs: their command lines name the repository."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        line = " ".join(arguments)
        if "triton" in arguments[0] and str(repository) in line:
            found.append(line)
    return found


def traces_of(repository: Path) -> Callable[[], list[Path]]:
    """Learn from the running server's command line where it leaves files, and return a look there."""
    server = next(line for line in processes_of(repository) if "--model-repository" in line)
    prefix = re.search(r"shm-region-prefix-name=(\S+)", server)
    runtime = re.search(r"--backend-directory=(\S+)/backends", server)
    assert prefix
    assert runtime
    shared_memory, folder = Path("/dev/shm"), Path(runtime[1])  # noqa: S108
    return lambda: [*shared_memory.glob(f"{prefix[1]}*"), *folder.parent.glob(folder.name)]


def wait_until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def text_input(data: bytes) -> InferInput:
    tensor = InferInput("text", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[data]], np.object_))
    return tensor


@pytest.fixture(scope="module")
def triton(repository: Path, server_environment: Path) -> Iterator[EmbeddedTriton]:
    with embedded(repository, server_environment) as running:
        yield running


def with_owner(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Run a script in a process of its own that has `triton` running; the script prints a line."""
    start = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from trifuse.serving.embedded import EmbeddedTriton, free_ports\n"
        "ports = dict(zip(('http_port', 'grpc_port', 'metrics_port'), free_ports(3)))\n"
        "triton = EmbeddedTriton(Path(sys.argv[1]), server_environment=Path(sys.argv[2]), **ports).start()\n"
    )
    command = [sys.executable, "-c", start + script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class TestServing:
    def test_every_ensemble_answers_the_canary(self, triton: EmbeddedTriton) -> None:
        run_canaries(triton.grpc_url, [systems.contract(SYSTEM, "smoke")])

    def test_http_and_metrics_answer(self, triton: EmbeddedTriton) -> None:
        for url in (f"{triton.http_url}/v2/health/ready", triton.metrics_url):
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
                assert answer.status == 200

    def test_bad_input_is_its_clients_error(self, triton: EmbeddedTriton) -> None:
        model = systems.contract(SYSTEM, "smoke").model_name("embed_text")
        with InferenceServerClient(triton.grpc_url) as client:
            with pytest.raises(InferenceServerException, match="not UTF-8") as failure:
                client.infer(model, [text_input(b"\xff\xfe")])
            assert failure.value.status() == "StatusCode.INVALID_ARGUMENT"
            client.infer(model, [text_input("红色".encode())])

    def test_a_second_server_finds_the_port_busy(
        self, triton: EmbeddedTriton, server_environment: Path
    ) -> None:
        port = triton.endpoint.grpc_port
        with pytest.raises(ServerError, match=rf"port {port} .*--grpc-port"):
            embedded(triton.repository, server_environment, grpc_port=port).start()


def test_stopping_leaves_nothing_behind(empty_repository: Path, server_environment: Path) -> None:
    with embedded(empty_repository, server_environment):
        assert len(processes_of(empty_repository)) >= 2
        traces = traces_of(empty_repository)
        assert len(traces()) >= 2
    assert processes_of(empty_repository) == []
    assert traces() == []


def test_a_server_can_be_started_again(empty_repository: Path, server_environment: Path) -> None:
    triton = embedded(empty_repository, server_environment)
    for _ in range(2):
        triton.start()
        triton.stop()
    triton.stop()


def test_the_server_dies_with_its_owner(empty_repository: Path, server_environment: Path) -> None:
    script = "print('ready', flush=True)\nsys.stdin.read()\n"
    with with_owner(script, empty_repository, server_environment) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        traces = traces_of(empty_repository)
        owner.kill()
    wait_until(lambda: not processes_of(empty_repository))
    wait_until(lambda: not traces())


def test_a_forked_child_of_the_owner_does_not_delay_the_stop(
    empty_repository: Path, server_environment: Path
) -> None:
    script = (
        "child = os.fork()\n"
        "if not child:\n"
        "    signal.pause()\n"
        "triton.stop()\n"
        "print('stopped', os.waitpid(child, os.WNOHANG), flush=True)\n"
        "os.kill(child, signal.SIGKILL)\n"
    )
    started = time.monotonic()
    with with_owner(script, empty_repository, server_environment) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "stopped (0, 0)\n"
    assert time.monotonic() - started < module._STOP_TIMEOUT_S
    assert processes_of(empty_repository) == []


def test_a_guardian_that_hangs_is_killed_with_its_server(
    empty_repository: Path, server_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STOP_TIMEOUT_S", 0.5)
    triton = embedded(empty_repository, server_environment).start()
    traces = traces_of(empty_repository)
    guardian = next(
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if "guardian.py" in (line := (folder / "cmdline").read_text()) and str(empty_repository) in line
    )
    os.kill(guardian, signal.SIGSTOP)
    triton.stop()
    wait_until(lambda: not processes_of(empty_repository))
    for path in traces():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_paths_with_spaces_are_served(
    tmp_path: Path, server_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = write_python_model(tmp_path / "my 'models' & $more", "pass")
    (tmp_path / "temporary files").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary files"))
    (tmp_path / "my environment").symlink_to(server_environment.absolute())
    with embedded(repository, tmp_path / "my environment", startup_timeout_s=30) as triton:
        with InferenceServerClient(triton.grpc_url) as client:
            assert client.is_model_ready("idle")
        assert list((tmp_path / "temporary files").iterdir()) == []


def test_a_missing_folder_for_temporary_files_is_a_clear_error(
    empty_repository: Path, tmp_path: Path, server_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match=r"temporary files.*nowhere.*TMPDIR"):
        embedded(empty_repository, server_environment).start()


@pytest.mark.parametrize("port", [-1, 0, 65536, 70000])
def test_a_number_that_is_no_port_is_named_with_its_option(
    empty_repository: Path, server_environment: Path, port: int
) -> None:
    with pytest.raises(ConfigurationError, match=rf"--grpc-port is not a port: got {port}"):
        embedded(empty_repository, server_environment, grpc_port=port).start()


def test_equal_ports_are_named_with_their_options(empty_repository: Path, server_environment: Path) -> None:
    with pytest.raises(ConfigurationError, match="--http-port and --metrics-port are the same: got 8000"):
        embedded(empty_repository, server_environment, http_port=8000, metrics_port=8000).start()


def test_a_busy_port_is_named_with_its_option(empty_repository: Path, server_environment: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServerError, match=rf"port {port} .*--metrics-port"):
            embedded(empty_repository, server_environment, metrics_port=port).start()


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::", "example.org"])  # noqa: S104
def test_only_loopback_is_served(empty_repository: Path, server_environment: Path, address: str) -> None:
    with pytest.raises(ConfigurationError, match="loopback only"):
        embedded(empty_repository, server_environment, address=address).start()


def test_a_models_reason_is_in_the_error(tmp_path: Path, server_environment: Path) -> None:
    repository = write_python_model(tmp_path / "models", "raise ValueError('no tokenizer here')")
    with pytest.raises(ServerError, match=r"failed to load 'idle' version 1: .*no tokenizer here") as failure:
        embedded(repository, server_environment).start()
    assert "\n" not in str(failure.value)
    assert processes_of(repository) == []


def test_a_broken_configuration_is_in_the_error(tmp_path: Path, server_environment: Path) -> None:
    repository = write_python_model(tmp_path / "models", "pass")
    (repository / "idle" / "config.pbtxt").write_text("nonsense {")
    with pytest.raises(ServerError, match="idle"):
        embedded(repository, server_environment).start()


def test_a_failing_canary_stops_the_server(empty_repository: Path, server_environment: Path) -> None:
    def canary(running: EmbeddedTriton) -> None:
        raise ServerError(f"nobody sings at {running.grpc_url}")

    with pytest.raises(ServerError, match="nobody sings"):
        embedded(empty_repository, server_environment, canary=canary).start()
    assert processes_of(empty_repository) == []


def test_a_killed_server_is_reported(empty_repository: Path, server_environment: Path) -> None:
    with embedded(empty_repository, server_environment) as triton:
        server = next(
            int(folder.name)
            for folder in Path("/proc").glob("[0-9]*")
            if (folder / "comm").read_text().startswith("tritonserver")
            and str(empty_repository) in (folder / "cmdline").read_text()
        )
        os.kill(server, signal.SIGKILL)
        with pytest.raises(ServerError, match="stopped by itself"):
            triton.wait()
        assert processes_of(empty_repository) == []


def test_a_preprocessing_of_another_contract_is_refused(
    tmp_path: Path, write_export: Callable, definition: Path, server_environment: Path
) -> None:
    contract = systems.contract(SYSTEM, "smoke")
    publish(write_export(tmp_path / "export", contract), tmp_path / "models", contract, definition, cores=1)
    config = tmp_path / "models" / contract.model_name("preprocess") / "config.pbtxt"
    config.write_text(config.read_text().replace(contract.hash, "0123456789abcdef"))
    with pytest.raises(ServerError, match="published under another contract: got smoke 0123456789abcdef"):
        embedded(tmp_path / "models", server_environment).start()


def test_a_missing_environment_names_the_command(empty_repository: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentSetupError, match=r"environment is missing.*make serve"):
        embedded(empty_repository, tmp_path / "nowhere").start()


def test_an_environment_without_triton_names_the_package(empty_repository: Path) -> None:
    with pytest.raises(EnvironmentSetupError, match="no nvidia-pytriton"):
        embedded(empty_repository, Path(sys.prefix)).start()


def test_missing_libraries_name_their_packages() -> None:
    error = environments.missing_libraries_error(["libexpat.so.1", "libpython3.11.so.1.0"])
    assert "`apt-get install libexpat1 libpython3.11`" in str(error)


def test_a_missing_libpython_is_found_out(server_environment: Path) -> None:
    found = environments.inspect(server_environment)
    # No supported system has the library of this Python.
    old = replace(found, python_version="3.8", libpython=None)
    assert old.missing_libraries() == ("libpython3.8.so.1.0",)


class TestCommand:
    def test_serve_announces_the_ensembles_and_stops_cleanly(
        self, repository: Path, server_environment: Path
    ) -> None:
        http, grpc, metrics = map(str, free_ports(3))
        ports = ["--http-port", http, "--grpc-port", grpc, "--metrics-port", metrics]
        places = ["--repository", str(repository), "--server-environment", str(server_environment)]
        command = [sys.executable, "-c", SERVE, "serve", *places, *ports]
        printed = ""
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as serving:
            assert serving.stdout is not None
            for line in serving.stdout:
                printed += line
                if "Ctrl-C" in line:
                    break
            serving.send_signal(signal.SIGINT)
            printed += serving.stdout.read()
        assert serving.returncode == 0, printed
        for ensemble in systems.contract(SYSTEM, "smoke").ensembles:
            assert systems.contract(SYSTEM, "smoke").model_name(ensemble.name) in printed
        assert grpc in printed
        assert not [line for line in processes_of(repository) if f"--grpc-port={grpc}" in line]

    def test_a_crashed_server_is_started_again(self, repository: Path, server_environment: Path) -> None:
        http, grpc, metrics = map(str, free_ports(3))
        places = ["--repository", str(repository), "--server-environment", str(server_environment)]
        ports = ["--http-port", http, "--grpc-port", grpc, "--metrics-port", metrics]
        command = [sys.executable, "-c", SERVE, "serve", *places, *ports]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as serving:
            assert serving.stdout is not None
            while "Ctrl-C" not in serving.stdout.readline():
                pass
            (server,) = (
                int(folder.name)
                for folder in Path("/proc").glob("[0-9]*")
                if (folder / "comm").read_text() == "tritonserver\n"
                and f"--grpc-port={grpc}".encode() in (folder / "cmdline").read_bytes()
            )
            os.kill(server, signal.SIGKILL)
            assert "starting Triton again" in serving.stdout.readline()
            assert "ready again" in serving.stdout.readline()
            run_canaries(f"127.0.0.1:{grpc}", [systems.contract(SYSTEM, "smoke")])
            serving.send_signal(signal.SIGINT)
            serving.stdout.read()
        assert serving.returncode == 0

    def test_the_variable_names_the_server_environment(self, repository: Path, tmp_path: Path) -> None:
        command = [sys.executable, "-c", SERVE, "serve", "--repository", str(repository)]
        variables = os.environ | {environments.VARIABLE: str(tmp_path / "elsewhere")}
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
        assert answer.returncode == EnvironmentSetupError.exit_code
        assert f"no {tmp_path}/elsewhere/bin/python" in answer.stderr

    def test_an_error_is_one_line(self, tmp_path: Path) -> None:
        command = [sys.executable, "-c", SERVE, "serve", "--repository", str(tmp_path)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        assert answer.returncode == ConfigurationError.exit_code
        assert answer.stderr.count("\n") == 1
        assert "build/publish.py" in answer.stderr
