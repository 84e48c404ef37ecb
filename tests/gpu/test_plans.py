"""Parts on a GPU, by TensorRT and by ONNX Runtime's TensorRT provider, against ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tests.torch.conftest import ARCHITECTURE
from trifuse import systems
from trifuse.contracts import ModelSpec
from trifuse.export.runtime import open_session
from trifuse.export.tensorrt_forms import FP16, FP32, write_form
from trifuse.export.tensorrt_parity import relative_difference
from trifuse.export.tensorrt_plan import Plan
from trifuse.export.to_onnx import export_part
from trifuse.export.to_tensorrt import build_plan
from trifuse.serving.gpu_configs import GPU
from trifuse.serving.gpu_profiles import shape_profiles
from trifuse.serving.rendering import render_gpu_configs
from trifuse.systems.product.model import build_model, export_cases

pytest.importorskip("tensorrt")
if not torch.cuda.is_available():
    pytest.skip("this machine has no GPU", allow_module_level=True)

CONTRACT = systems.contract("product", "smoke")
TOLERANCES = {FP32: 2e-3, FP16: 2e-2}


@pytest.fixture(scope="module", params=CONTRACT.parts, ids=lambda part: part.name)
def part(request: pytest.FixtureRequest) -> ModelSpec:
    found: ModelSpec = request.param
    return found


@pytest.fixture(scope="module")
def cases(part: ModelSpec) -> list[dict[str, Any]]:
    return list(export_cases(CONTRACT, part.name, ARCHITECTURE))


@pytest.fixture(scope="module")
def exported(part: ModelSpec, cases: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    module = build_model(CONTRACT, ARCHITECTURE).eval().get_submodule(part.name)
    path = tmp_path_factory.mktemp(part.name) / f"{part.name}.onnx"
    export_part(module, part, cases[0], path, CONTRACT)
    return path


@pytest.fixture(scope="module", params=TOLERANCES)
def form(request: pytest.FixtureRequest, exported: Path) -> tuple[Path, float]:
    path = exported.with_suffix(f".{request.param}.gpu.onnx")
    write_form(exported, path, request.param, {})
    return path, TOLERANCES[request.param]


def largest_difference(exported: Path, session: Any, cases: list[dict[str, Any]]) -> float:
    reference = open_session(exported)
    arrays = [{name: tensor.numpy() for name, tensor in case.items()} for case in cases]
    return max(relative_difference(reference, session, case) for case in arrays)


def test_a_plan_computes_what_onnx_runtime_computes(
    part: ModelSpec, cases: list[dict[str, Any]], exported: Path, form: tuple[Path, float], tmp_path: Path
) -> None:
    path, tolerance = form
    plan = build_plan(path, shape_profiles(CONTRACT, part), tmp_path / "timings")
    assert (tmp_path / "timings").stat().st_size
    session = Plan(plan, part, CONTRACT.max_batch_size)
    assert largest_difference(exported, session, cases) <= tolerance


def test_more_items_than_the_largest_batch_are_split(
    part: ModelSpec, cases: list[dict[str, Any]], exported: Path, form: tuple[Path, float], tmp_path: Path
) -> None:
    path, tolerance = form
    session = Plan(build_plan(path, shape_profiles(CONTRACT, part), tmp_path / "timings"), part, 2)
    arrays = {name: np.concatenate([tensor.numpy()] * 3) for name, tensor in cases[0].items()}
    assert relative_difference(open_session(exported), session, arrays) <= tolerance


def test_the_served_options_run_in_onnx_runtime(
    part: ModelSpec, cases: list[dict[str, Any]], exported: Path, form: tuple[Path, float], tmp_path: Path
) -> None:
    if "TensorrtExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no TensorRT provider")
    path, tolerance = form
    name = f"{CONTRACT.model_name(part.name)}/configs/{GPU}.pbtxt"
    config = text_format.Parse(render_gpu_configs(CONTRACT)[name], ModelConfig())
    (provider,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    options = {option: value for option, value in provider.parameters.items() if option.startswith("trt_")}
    options |= {"trt_engine_cache_path": str(tmp_path), "trt_timing_cache_path": str(tmp_path)}
    session = onnxruntime.InferenceSession(
        path, providers=[("TensorrtExecutionProvider", options), "CUDAExecutionProvider"]
    )
    assert largest_difference(exported, session, cases) <= tolerance
    assert list(tmp_path.glob("*.engine"))
