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


def own_server(
    repository: Path, contract: SystemContract, server_environment: Path, log_path: Path | None = None
) -> EmbeddedTriton:
    """Prepare a server on free ports, so that one that already runs is not disturbed.

    It has started when every ensemble of the system has answered its canary.
    """
    http_port, grpc_port, metrics_port = free_ports(3)
    return EmbeddedTriton(
        repository,
        server_environment=server_environment,
        http_port=http_port,
        grpc_port=grpc_port,
        metrics_port=metrics_port,
        canary=lambda running: run_canaries(running.grpc_url, [contract]),
        log_path=log_path,
    )


def probe(repository: Path, contract: SystemContract, server_environment: Path) -> None:
    """Serve a repository until every ensemble of the system has answered its canary.

    Raises ServerError with the server's reason, or EnvironmentSetupError when this machine cannot serve.
    """
    try:
        own_server(repository, contract, server_environment).start().stop()
    except ServerError as error:
        raise ServerError(
            f"{contract.system} was not published, for it does not work in Triton", got=error
        ) from error
    # The server's Python leaves them beside the shims.
    for cache in list(repository.rglob("__pycache__")):
        shutil.rmtree(cache)
