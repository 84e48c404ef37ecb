"""Publish a system's parts as the next version that Triton serves: `python build/publish.py SYSTEM`."""

from __future__ import annotations

import contextlib
from pathlib import Path

from trifuse.command_line import run
from trifuse.serving.live import NOT_TOLD, LiveServer
from trifuse.stages.command_line import build_parser
from trifuse.stages.publish import exported_build, publish

_DEFINITION = Path(__file__).resolve().parent.parent / "model_repository"


def main() -> None:
    """Try the system in a server of its own, publish it, and print its version."""
    parser = build_parser(__doc__)
    parser.add_argument("--repository", type=Path, help="default: model_repository in --artifacts")
    parser.add_argument(
        "--url", metavar="HOST:PORT", help="the gRPC address of a running server that shall load it now"
    )
    arguments = parser.parse_args()
    build = exported_build(arguments.system, arguments.artifacts)
    repository = arguments.repository or arguments.artifacts / "model_repository"
    with LiveServer(arguments.url) if arguments.url else contextlib.nullcontext() as server:
        version = publish(build, repository, _DEFINITION, server)
    print(f"{build.system}: version {version} (profile {build.profile}) is published in {repository}")
    print(f"The server at {arguments.url} has loaded it." if arguments.url else NOT_TOLD)


if __name__ == "__main__":
    run(main)
