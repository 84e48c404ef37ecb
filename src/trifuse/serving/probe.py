"""Try a version in a real server before it is published."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from trifuse.errors import ServerError
from trifuse.serving.canary import run_canaries
from trifuse.serving.embedded import EmbeddedTriton, free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from trifuse.contracts import SystemContract


def probe(repository: Path, contract: SystemContract, server_environment: Path) -> None:
    """Serve a repository on free ports until every ensemble of the system has answered its canary.

    Raises ServerError with the server's reason, or EnvironmentSetupError when this machine cannot serve.
    """
    http_port, grpc_port, metrics_port = free_ports(3)
    server = EmbeddedTriton(
        repository,
        server_environment=server_environment,
        http_port=http_port,
        grpc_port=grpc_port,
        metrics_port=metrics_port,
        canary=lambda running: run_canaries(running.grpc_url, [contract]),
    )
    try:
        server.start().stop()
    except ServerError as error:
        raise ServerError(
            f"{contract.system} was not published, for it does not work in Triton", got=error
        ) from error
    # The server's Python leaves them beside the shims.
    for cache in list(repository.rglob("__pycache__")):
        shutil.rmtree(cache)
