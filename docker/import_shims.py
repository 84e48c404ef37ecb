"""Import what Triton's Python models and the health check import: `python docker/import_shims.py`.

Run by `make containers` in an environment of the server image's Python with nothing but its packages.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_NEVER = ("torch", "transformers", "onnx", "onnxruntime", "cv2", "pandas")


def main() -> None:
    """Import every shim and its system's code. Exits with what the image does not have, if that is loaded."""
    sys.path.insert(0, str(_ROOT / "src"))
    # Triton brings it, and the models look into it only when they run.
    sys.modules["triton_python_backend_utils"] = types.ModuleType("triton_python_backend_utils")
    from trifuse.contracts import PREPROCESS
    from trifuse.systems import component

    for path in sorted((_ROOT / "model_repository").glob("*/1/model.py")):
        spec = importlib.util.spec_from_file_location(path.parents[1].name, path)
        if spec is None or spec.loader is None:
            sys.exit(f"{path} cannot be imported")
        shim = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(shim)
        model = shim.TritonPythonModel
        component(model.system, getattr(model, "service", PREPROCESS))
        sys.stdout.write(f"{spec.name}\n")
    importlib.import_module("trifuse.serving.health")
    loaded = [name for name in _NEVER if name in sys.modules]
    if loaded:
        sys.exit(f"the server image has no {', '.join(loaded)}")


if __name__ == "__main__":
    main()
