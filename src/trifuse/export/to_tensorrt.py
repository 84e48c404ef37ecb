"""Build TensorRT plans from ONNX files, in the serving container's TensorRT and for the GPU that is here.

Written against the Python API of TensorRT 11.1 and never run on a GPU; docs/deployment.md says more.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from trifuse.artifacts import write_file
from trifuse.errors import ConfigurationError, ExportError
from trifuse.serving.gpu_configs import SERVER_TENSORRT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from trifuse.serving.gpu_profiles import Profile

_ELSEWHERE = "Build plans in the build container (docs/deployment.md), or take --onnx-only"
_WORKSPACE_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Gpu:
    """The GPU that plans are built for: its name and its compute capability, such as 9.0."""

    name: str
    compute_capability: str


def load_tensorrt() -> Any:
    """Import TensorRT. Raises ConfigurationError when it is not installed, or not in the server's version."""
    try:
        tensorrt = importlib.import_module("tensorrt")
    except ImportError as error:
        raise ConfigurationError(
            "plans cannot be built without TensorRT",
            got=error,
            expected=f"TensorRT {SERVER_TENSORRT}",
            hint=_ELSEWHERE,
        ) from error
    version: str = tensorrt.__version__
    if not f"{version}.".startswith(f"{SERVER_TENSORRT}."):
        raise ConfigurationError(
            "plans run in the TensorRT that built them only, and the server has another",
            got=f"TensorRT {version}",
            expected=SERVER_TENSORRT,
            hint="Build in the build container (docs/deployment.md)",
        )
    return tensorrt


def find_gpu() -> Gpu:
    """Find the GPU that plans are built for. Raises ConfigurationError when this machine has none."""
    if not torch.cuda.is_available():
        raise ConfigurationError(
            "plans cannot be built without a GPU",
            got="no CUDA device on this machine",
            expected="a GPU of the kind that will serve",
            hint=_ELSEWHERE,
        )
    major, minor = torch.cuda.get_device_capability()
    return Gpu(torch.cuda.get_device_name(), f"{major}.{minor}")


def build_plan(source: Path, profiles: Iterable[Profile], timings: Path) -> bytes:
    """Build the plan of an ONNX file, optimised for each of the profiles; its types are those of the file.

    `timings` is the cache of kernels' timings, which is read if it exists and written again: the next plan
    for this GPU takes less time. Raises ExportError with TensorRT's words.
    """
    tensorrt = load_tensorrt()
    logger = tensorrt.Logger(tensorrt.Logger.WARNING)
    builder = tensorrt.Builder(logger)
    # In TensorRT 11 every network is strongly typed.
    network = builder.create_network()
    _parse(tensorrt.OnnxParser(network, logger), source)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    for shapes in profiles:
        profile = builder.create_optimization_profile()
        for name, (least, usual, largest) in shapes.items():
            profile.set_shape(name, least, usual, largest)
        config.add_optimization_profile(profile)
    cache = config.create_timing_cache(timings.read_bytes() if timings.is_file() else b"")
    if not config.set_timing_cache(cache, ignore_mismatch=False):
        # It was made with another driver or GPU of that name.
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ExportError(
            f"TensorRT built no plan of {source.name}",
            hint="Its log above says why; another --precision may do",
        )
    write_file(timings, bytes(cache.serialize()))
    return bytes(plan)


def _parse(parser: Any, source: Path) -> None:
    if not parser.parse_from_file(str(source)):
        errors = "; ".join(parser.get_error(index).desc() for index in range(parser.num_errors))
        raise ExportError(f"TensorRT cannot read {source.name}", got=errors)
