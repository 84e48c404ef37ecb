"""The `trifuse` command."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse import systems
from trifuse.command_line import print_error
from trifuse.errors import ConfigurationError, ServerError, TrifuseError
from trifuse.serving.server_environment import default_location

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trifuse.contracts import SystemContract
    from trifuse.serving.embedded import EmbeddedTriton

# A server that crashes more often has a fault that starting it again does not cure.
_MOST_CRASHES, _CRASH_WINDOW_S = 3, 600


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; a failure is one line on standard error."""
    parsed = _parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except TrifuseError as error:
        print_error(error, "trifuse")
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trifuse", description="Serve multimodal models with NVIDIA Triton."
    )
    commands = parser.add_subparsers(title="commands", required=True)
    _add_serve(commands)
    _add_versions(commands)
    _add_rollback(commands)
    return parser


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser(
        "serve",
        help="serve the published models on this machine, without Docker",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    serve.set_defaults(run=_serve)
    _add_repository(serve)
    serve.add_argument(
        "--server-environment",
        type=Path,
        default=default_location(),
        help="Triton's own virtual environment",
    )
    serve.add_argument("--address", default="127.0.0.1", help="a loopback address to listen on")
    serve.add_argument("--http-port", type=int, default=8000, help="for HTTP clients")
    serve.add_argument("--grpc-port", type=int, default=8001, help="for gRPC clients")
    serve.add_argument("--metrics-port", type=int, default=8002, help="for Prometheus")


def _add_versions(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    versions = commands.add_parser("versions", help="list the published versions of a system")
    versions.set_defaults(run=_versions)
    versions.add_argument("system", choices=systems.available())
    _add_repository(versions)
    versions.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _add_rollback(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    rollback = commands.add_parser("rollback", help="serve another published version, older or newer")
    rollback.set_defaults(run=_rollback)
    rollback.add_argument("system", choices=systems.available())
    rollback.add_argument("version", type=int, help="as `trifuse versions` lists them")
    _add_repository(rollback)
    rollback.add_argument(
        "--url", metavar="HOST:PORT", help="the gRPC address of a running server that shall load it now"
    )


def _add_repository(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--repository", type=Path, default=Path("artifacts/model_repository"), help="what publish wrote"
    )


def _serve(arguments: argparse.Namespace) -> int:
    # Imported here, as other commands do without.
    from trifuse.serving.canary import run_canaries
    from trifuse.serving.embedded import EmbeddedTriton
    from trifuse.serving.versions import published_systems

    published = published_systems(arguments.repository)
    if not published:
        raise ConfigurationError(
            "there is nothing to serve",
            got=f"no published system in {arguments.repository}",
            hint="Publish one first: python build/publish.py SYSTEM",
        )
    server = EmbeddedTriton(
        arguments.repository,
        server_environment=arguments.server_environment,
        address=arguments.address,
        http_port=arguments.http_port,
        grpc_port=arguments.grpc_port,
        metrics_port=arguments.metrics_port,
        canary=lambda running: run_canaries(running.grpc_url, [contract for contract, _ in published]),
        log_path=arguments.repository.parent / "tritonserver.log",
    )
    # A process manager's SIGTERM ends the server as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with server:
            _announce(server, published)
            _keep_running(server)
    except KeyboardInterrupt:
        print("Triton has stopped.")
    return 0


def _keep_running(server: EmbeddedTriton) -> None:
    """Start the server again when it crashes. Raises ServerError when it crashes too often."""
    crashes: list[float] = []
    while True:
        try:
            server.wait()
        except ServerError as error:
            server.stop()
            now = time.monotonic()
            crashes = [*(crash for crash in crashes if now - crash < _CRASH_WINDOW_S), now]
            if len(crashes) > _MOST_CRASHES:
                raise
            print_error(error, "trifuse: starting Triton again")
            server.start()
            print("Triton is ready again.", flush=True)


def _announce(server: EmbeddedTriton, published: Sequence[tuple[SystemContract, int]]) -> None:
    from rich.console import Console
    from rich.table import Table

    models = Table("model", "inputs", "outputs", "version")
    for contract, version in published:
        for ensemble in contract.ensembles:
            inputs, outputs = (
                ", ".join(tensor.name for tensor in tensors)
                for tensors in (ensemble.inputs, ensemble.outputs)
            )
            models.add_row(contract.model_name(ensemble.name), inputs, outputs, str(version))
    console = Console()
    console.print(models)
    console.print(f"HTTP     {server.http_url}\ngRPC     {server.grpc_url}\nMetrics  {server.metrics_url}")
    console.print(f"Log      {server.log_path}\nTriton is ready; stop it with Ctrl-C.")


def _versions(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from trifuse.serving.version_table import describe_versions, version_table

    description = describe_versions(arguments.repository, arguments.system)
    if arguments.json:
        print(json.dumps(description, ensure_ascii=False))
    else:
        Console(markup=False, highlight=False).print(version_table(description))
    return 0


def _rollback(arguments: argparse.Namespace) -> int:
    from trifuse.serving.live import NOT_TOLD, LiveServer
    from trifuse.serving.switching import rollback

    system, version = arguments.system, arguments.version
    with LiveServer(arguments.url) if arguments.url else contextlib.nullcontext() as server:
        rollback(arguments.repository, system, version, server)
    print(f"{system}: version {version} is served from {arguments.repository}")
    print(f"The server at {arguments.url} has loaded it." if arguments.url else NOT_TOLD)
    return 0
