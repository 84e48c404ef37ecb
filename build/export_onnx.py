"""Export a trained system to ONNX and compare it with torch: `python build/export_onnx.py SYSTEM`."""

from __future__ import annotations

from trifuse.artifacts import read_manifest
from trifuse.command_line import run
from trifuse.stages.command_line import build_parser, trained_build
from trifuse.stages.export import MODEL_STAGES, export, last_model


def main() -> None:
    """Export and print each part's size and its largest difference from torch."""
    parser = build_parser(__doc__)
    parser.add_argument("--stage", choices=MODEL_STAGES, help="whose model (default: the last that was made)")
    arguments = parser.parse_args()
    build = trained_build(arguments)
    manifest = read_manifest(export(build, arguments.stage or last_model(build)))
    for part, described in manifest.details["parts"].items():
        size_mb = manifest.sizes[f"{part}.onnx"] / 1e6
        print(
            f"{part}.onnx: {size_mb:.1f} MB, {described['parameters']:,} parameters, "
            f"differs from torch by {described['largest_difference']:.1e} at most"
        )


if __name__ == "__main__":
    run(main)
