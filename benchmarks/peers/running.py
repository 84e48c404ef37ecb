"""Peers' servers while they run: started once, and stopped in their tracks whenever another is measured."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
from typing import IO, TYPE_CHECKING, Any, Self

import psutil
from benchmarks.peers import environments
from benchmarks.peers.lines import BATCH_WAIT_MS
from benchmarks.peers.servers.settings import Settings

from trifuse.artifacts import write_file
from trifuse.errors import ServerError
from trifuse.serving.embedded import free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.peers.lines import Peer

_START_TIMEOUT_S, _STOP_TIMEOUT_S, _POLL_S = 180.0, 15.0, 0.1


class RunningPeer:
    """One peer's server with all of its processes.

    It serves inside `resumed()` only: some servers poll while they idle, and would disturb the others.
    """

    def __init__(self, peer: Peer, repository: Path, model: str, folder: Path) -> None:
        self.peer, self._folder = peer, folder
        [self.port] = free_ports(1)
        self._settings = Settings(
            repository.resolve(), model, self.port, peer.workers, peer.threads, peer.max_batch, BATCH_WAIT_MS
        )
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the server and wait for its health check. Raises ServerError."""
        home = self._folder / self.peer.name
        home.mkdir(parents=True, exist_ok=True)
        if self.peer.encoding == "v2":
            _configure_mlserver(home, self._settings, *free_ports(2))
        filled = {"port": self.port, "workers": self.peer.workers, "folder": home.resolve()}
        command = [part.format(**filled) for part in self.peer.command]
        self._log = (home / "server.log").open("wb")
        self._process = subprocess.Popen(  # noqa: S603
            [str(environments.python_of(self.peer, self._folder)), *command],
            cwd=environments.ROOT,
            env=environments.variables(self.peer, self._folder) | self._settings.variables(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self._wait_until_healthy()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        processes = self.processes()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs(processes, _STOP_TIMEOUT_S)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._process:
            self._process.wait()
        if self._log:
            self._log.close()

    @contextlib.contextmanager
    def resumed(self) -> Any:
        """Let the server run in the block, and stop all of its processes after it."""
        processes = self.processes()
        for process in reversed(processes):
            process.resume()
        try:
            yield
        finally:
            for process in self.processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()

    def processes(self) -> list[psutil.Process]:
        """List the server's processes, its first one before its children."""
        if not self._process or self._process.poll() is not None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._is_healthy():
            ended = self._process is not None and self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                log = self._folder / self.peer.name / "server.log"
                raise ServerError(
                    f"{self.peer.title} did not start",
                    got=log.read_text(encoding="utf-8", errors="replace")[-300:],
                    hint=f"The whole log is in {log}",
                )
            time.sleep(_POLL_S)

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", self.peer.health)
            return connection.getresponse().status == http.HTTPStatus.OK
        return False


def _configure_mlserver(home: Path, settings: Settings, grpc_port: int, metrics_port: int) -> None:
    """Write the files that MLServer reads; ports, workers and batching are in them."""
    server = {
        "host": "127.0.0.1",
        "http_port": settings.port,
        "grpc_port": grpc_port,
        "metrics_port": metrics_port,
        "parallel_workers": settings.workers,
        "debug": False,
        "metrics_dir": str(home.resolve() / "metrics"),
        "environments_dir": str(home.resolve() / "environments"),
    }
    model = {
        "name": "predictor",
        "implementation": "benchmarks.peers.servers.mlserver_onnx.Predictor",
        "max_batch_size": settings.max_batch,
        "max_batch_time": settings.batch_wait_ms / 1000,
    }
    write_file(home / "settings.json", json.dumps(server))
    write_file(home / "model-settings.json", json.dumps(model))
