"""Triton without Docker: NVIDIA's server from its wheel, on this machine, for this process."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import secrets
import signal
import socket
import subprocess
import time
from itertools import combinations
from typing import TYPE_CHECKING, Self

from trifuse.errors import ConfigurationError, ServerError
from trifuse.serving import guardian, server_environment
from trifuse.serving.server_log import failure_reasons
from trifuse.serving.server_process import (
    STOP_GRACE_S,
    Endpoint,
    assemble,
    command,
    environment_variables,
    link_repository,
    make_runtime_folder,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_POLL_S = 0.05
# The guardian needs its grace and a moment to clean up; a guardian that takes longer hangs.
_STOP_TIMEOUT_S = 2 * STOP_GRACE_S
_HIGHEST_PORT = 65535


def free_ports(count: int) -> list[int]:
    """Find TCP ports of the loopback interface that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for candidate in sockets:
            candidate.bind(("127.0.0.1", 0))
        return [candidate.getsockname()[1] for candidate in sockets]


class EmbeddedTriton:
    """One tritonserver process that serves a model repository on loopback.

    Use it as a context manager, or call `start` and `stop`. `canary` is called with the running server once
    every model is loaded, and the start succeeds when it returns. The server's log goes to `log_path`, or to
    a file that disappears with the server.
    """

    def __init__(
        self,
        repository: Path,
        *,
        server_environment: Path,
        address: str = "127.0.0.1",
        http_port: int = 8000,
        grpc_port: int = 8001,
        metrics_port: int = 8002,
        startup_timeout_s: float = 120,
        canary: Callable[[EmbeddedTriton], None] | None = None,
        log_path: Path | None = None,
    ) -> None:
        self.repository = repository
        self.server_environment = server_environment
        self.endpoint = Endpoint(address, http_port, grpc_port, metrics_port)
        self.startup_timeout_s = startup_timeout_s
        self.canary = canary
        self.log_path = log_path
        self._log_descriptor = -1
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def http_url(self) -> str:
        """Where HTTP clients connect, with the scheme."""
        return f"http://{self.endpoint.address}:{self.endpoint.http_port}"

    @property
    def grpc_url(self) -> str:
        """Where gRPC clients connect, as host:port."""
        return f"{self.endpoint.address}:{self.endpoint.grpc_port}"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus reads the metrics."""
        return f"http://{self.endpoint.address}:{self.endpoint.metrics_port}/metrics"

    def start(self) -> Self:
        """Start the server and return when every model is ready and the canary has answered.

        Raises ConfigurationError, EnvironmentSetupError or ServerError; nothing keeps running then.
        """
        if self._process:
            raise ServerError("this server is already running", hint="Stop it first")
        _check_address(self.endpoint.address)
        _check_ports(self.endpoint)
        _check_repository(self.repository)
        environment = server_environment.inspect(self.server_environment)
        _check_ports_are_free(self.endpoint)
        self._launch(environment)
        try:
            self._wait_until_ready()
            if self.canary:
                self.canary(self)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the server and wait until none of its processes is left; a stopped server is left alone."""
        if not self._process:
            return
        process, self._process = self._process, None
        if process.stdin:
            # A forked child of this process keeps the pipe open, so that closing it would not be noticed.
            with contextlib.suppress(BrokenPipeError):
                os.write(process.stdin.fileno(), b"\n")
            process.stdin.close()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # The kernel ends the server with its guardian.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(self._log_descriptor)

    def wait(self) -> None:
        """Block until the server ends. Raises ServerError, because nobody asked it to."""
        if self._process:
            status = self._process.wait()
            raise self._ended(f"tritonserver stopped by itself with status {status}")

    def log(self) -> str:
        """Read what the server has logged since it was started."""
        size = os.fstat(self._log_descriptor).st_size
        return os.pread(self._log_descriptor, size, 0).decode(errors="replace")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self, environment: server_environment.ServerEnvironment) -> None:
        runtime = make_runtime_folder()
        assemble(runtime, environment)
        repository = link_repository(runtime, self.repository)
        shared_memory = f"trifuse_{secrets.token_hex(4)}_"
        # The guardian removes the runtime folder; this descriptor still reads a log that was in it.
        log = self.log_path or runtime / "tritonserver.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log_descriptor = os.open(log, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        server = command(runtime, environment, repository, self.endpoint, shared_memory)
        python = environment.root.absolute() / "bin" / "python"
        arguments = [str(STOP_GRACE_S), shared_memory, str(runtime), *server]
        self._process = subprocess.Popen(  # noqa: S603
            [str(python), "-I", "-S", guardian.__file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=self._log_descriptor,
            stderr=subprocess.STDOUT,
            env=environment_variables(runtime, environment),
            start_new_session=True,
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.startup_timeout_s
        while not self._is_ready():
            if self._process and self._process.poll() is not None:
                raise self._ended("tritonserver could not start")
            if time.monotonic() > deadline:
                raise self._ended(f"tritonserver was not ready after {self.startup_timeout_s:.0f} s")
            time.sleep(_POLL_S)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(self.endpoint.address, self.endpoint.http_port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        return False

    def _ended(self, problem: str) -> ServerError:
        hint = f"The whole log is in {self.log_path}" if self.log_path else None
        return ServerError(problem, got="; ".join(failure_reasons(self.log())), hint=hint)


def _check_address(address: str) -> None:
    # This release has known vulnerabilities that only later containers fix.
    with contextlib.suppress(ValueError):
        if ipaddress.IPv4Address(address).is_loopback:
            return
    raise ConfigurationError(
        "the embedded Triton listens on loopback only",
        got=address,
        expected="an address such as 127.0.0.1",
        hint="To serve other machines, run NVIDIA's container behind a gateway",
    )


def _check_repository(repository: Path) -> None:
    if not any(repository.glob("*/config.pbtxt")):
        raise ConfigurationError(
            "there is no model repository to serve",
            got=repository,
            expected="a folder with published models",
            hint="Publish a system first: python build/publish.py SYSTEM",
        )


def _ports(endpoint: Endpoint) -> dict[str, int]:
    return {
        "--http-port": endpoint.http_port,
        "--grpc-port": endpoint.grpc_port,
        "--metrics-port": endpoint.metrics_port,
    }


def _check_ports(endpoint: Endpoint) -> None:
    for option, port in _ports(endpoint).items():
        if not 1 <= port <= _HIGHEST_PORT:
            raise ConfigurationError(f"{option} is not a port", got=port, expected=f"1 to {_HIGHEST_PORT}")
    for (option, port), (other, other_port) in combinations(_ports(endpoint).items(), 2):
        if port == other_port:
            raise ConfigurationError(
                f"{option} and {other} are the same", got=port, expected="a port for each"
            )


def _check_ports_are_free(endpoint: Endpoint) -> None:
    for option, port in _ports(endpoint).items():
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind((endpoint.address, port))
            except OSError as error:
                raise ServerError(
                    f"port {port} cannot be used",
                    got=error.strerror,
                    hint=f"Stop what uses it, or choose another {option}",
                ) from None
