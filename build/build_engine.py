"""Build what a system's parts run as on GPUs, and publish it: `python build/build_engine.py SYSTEM`."""

from __future__ import annotations

import contextlib
from pathlib import Path

from trifuse.artifacts import read_manifest
from trifuse.command_line import run
from trifuse.export.tensorrt_forms import FP16, PRECISIONS
from trifuse.serving.live import NOT_TOLD, LiveServer
from trifuse.stages.command_line import build_parser
from trifuse.stages.engine import build_engines, publish_engines
from trifuse.stages.publish import exported_build

_DEFINITION = Path(__file__).resolve().parent.parent / "model_repository"


def main() -> None:
    """Build ONNX files and TensorRT plans for GPUs, compare them with the export, publish and print."""
    parser = build_parser(__doc__)
    parser.add_argument("--precision", choices=PRECISIONS, default=FP16, help="(default: %(default)s)")
    parser.add_argument(
        "--onnx-only", action="store_true", help="no plans: for servers that run the configurations `gpu`"
    )
    parser.add_argument("--repository", type=Path, help="default: model_repository in --artifacts")
    parser.add_argument(
        "--url", metavar="HOST:PORT", help="the gRPC address of a running server that shall load it now"
    )
    arguments = parser.parse_args()
    build = exported_build(arguments.system, arguments.artifacts)
    folder = build_engines(build, arguments.precision, plans=not arguments.onnx_only)
    made = read_manifest(folder)
    for part, difference in made.details["differences"].items():
        files = ", ".join(
            f"{name} {size / 1e6:.2f} MB" for name, size in made.sizes.items() if name.startswith(f"{part}.")
        )
        print(f"{files}: {difference:.1e} from the export")
    repository = arguments.repository or arguments.artifacts / "model_repository"
    with LiveServer(arguments.url) if arguments.url else contextlib.nullcontext() as server:
        version = publish_engines(build, repository, _DEFINITION, server)
    print(f"{build.system}: version {version} (profile {build.profile}) is published in {repository}")
    print(f"The server at {arguments.url} has loaded it." if arguments.url else NOT_TOLD)


if __name__ == "__main__":
    run(main)
