"""Configurations of the parts for GPUs, beside config.pbtxt: Triton takes them by `--model-config-name`.

`gpu` runs the ONNX file for GPUs in ONNX Runtime with its TensorRT and CUDA execution providers, `tensorrt`
runs a plan. Models without such a file (preprocessing, services, ensembles) keep their config.pbtxt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonclient.grpc.model_config_pb2 import ModelInstanceGroup, ModelOptimizationPolicy

from trifuse.serving.gpu_profiles import shape_profiles

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from trifuse.contracts import ModelSpec, SystemContract
    from trifuse.serving.gpu_profiles import Profile

GPU, TENSORRT = "gpu", "tensorrt"
# What tritonserver:26.07-py3 contains. Plans run in the version that built them and in no other.
SERVER_TENSORRT = "11.1.0"
# Turing to Blackwell: what that container supports.
COMPUTE_CAPABILITIES = ("7.5", "8.0", "8.6", "8.7", "8.9", "9.0", "10.0", "10.3", "11.0", "12.0", "12.1")
# Where the container mounts a writable volume.
CACHE = "/var/cache/trifuse"
_WORKSPACE_BYTES = 2 * 2**30
# TensorRT fuses by itself, and ONNX Runtime's own fusions break some files in half precision or int8.
_BASIC = -1


def onnx_name(part: str) -> str:
    """Name a part's ONNX file for GPUs; `part` is `model` in a repository."""
    return f"{part}.gpu.onnx"


def plan_name(part: str, compute_capability: str) -> str:
    """Name a part's plan by the GPU's compute capability (such as 9.0) and the server's TensorRT."""
    return f"{part}.sm{compute_capability.replace('.', '')}-tensorrt{SERVER_TENSORRT}.plan"


def gpu_configs(interface: Message, contract: SystemContract, part: ModelSpec) -> dict[str, Message]:
    """Complete a part's `interface`, a ModelConfig with name and tensors, for both ways to run it on a GPU.

    Returns the configurations by name; instances are one on every GPU that the server sees.
    """
    one, many = shape_profiles(contract, part)
    return {GPU: _onnxruntime(interface, many), TENSORRT: _tensorrt(interface, (one, many))}


def _onnxruntime(interface: Message, profile: Profile) -> Message:
    config = _on_gpu(interface, "onnxruntime")
    config.default_model_filename = onnx_name("model")
    provider = ModelOptimizationPolicy.ExecutionAccelerators.Accelerator(name="tensorrt")
    folder = f"{CACHE}/{config.name}"
    # The cache finds an engine by the names of the values in the ONNX file, not by its weights: these files
    # name their values after their content, so that every version has engines of its own.
    options = {
        "max_workspace_size_bytes": str(_WORKSPACE_BYTES),
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": folder,
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": folder,
    } | _shape_options(profile)
    for name, value in options.items():
        provider.parameters[name] = value
    # What TensorRT cannot run is left to CUDA, which the backend adds by itself.
    config.optimization.graph.level = _BASIC
    config.optimization.execution_accelerators.gpu_execution_accelerator.append(provider)
    return config


def _shape_options(profile: Profile) -> dict[str, str]:
    """Write a profile as the execution provider's options, such as `ids:1x16,mask:1x16`."""
    limits = {"min": "least", "opt": "usual", "max": "largest"}
    return {
        f"trt_profile_{option}_shapes": ",".join(
            f"{name}:{'x'.join(map(str, getattr(shapes, limit)))}" for name, shapes in profile.items()
        )
        for option, limit in limits.items()
    }


def _tensorrt(interface: Message, profiles: tuple[Profile, ...]) -> Message:
    config = _on_gpu(interface, "tensorrt")
    for compute_capability in COMPUTE_CAPABILITIES:
        config.cc_model_filenames[compute_capability] = plan_name("model", compute_capability)
    config.instance_group[0].profile.extend(str(index) for index in range(len(profiles)))
    return config


def _on_gpu(interface: Message, backend: str) -> Message:
    config = type(interface)()
    config.CopyFrom(interface)
    config.backend = backend
    config.version_policy.all.SetInParent()
    config.dynamic_batching.SetInParent()
    config.instance_group.append(ModelInstanceGroup(count=1, kind=ModelInstanceGroup.KIND_GPU))
    return config
