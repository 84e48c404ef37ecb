"""The engine stage as far as it goes without a GPU: ONNX files for GPUs, and what is refused."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import types
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from trifuse.artifacts import verify
from trifuse.errors import ConfigurationError, ToleranceError
from trifuse.export.tensorrt_forms import FP16, FP32, INT8
from trifuse.export.tensorrt_parity import check_difference, relative_difference
from trifuse.export.to_tensorrt import find_gpu, load_tensorrt
from trifuse.serving.gpu_configs import onnx_name
from trifuse.serving.repository import publish
from trifuse.stages.chain import EXPORT, TRAIN, Build
from trifuse.stages.engine import ENGINE, build_engines
from trifuse.stages.export import export
from trifuse.stages.publish import is_published

DEFINITION = Path(__file__).parents[2] / "model_repository"
without_tensorrt = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt") is not None, reason="this machine has TensorRT"
)


@pytest.fixture(scope="module")
def exported(taught: Build, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A copy of the trained build with its export."""
    artifacts = tmp_path_factory.mktemp("engine") / "artifacts"
    shutil.copytree(taught.artifacts, artifacts)
    build = replace(taught, artifacts=artifacts)
    export(build, TRAIN)
    return build


@pytest.fixture(scope="module")
def made(exported: Build) -> Path:
    """The stage without plans, in half precision."""
    return build_engines(exported, FP16, plans=False)


def test_every_part_gets_a_form_beside_what_cpus_run(exported: Build, made: Path) -> None:
    manifest = verify(made, exported.contract)
    for part in exported.contract.parts:
        on_cpus = f"{part.name}.onnx"
        assert (made / on_cpus).read_bytes() == (exported.folder(EXPORT) / on_cpus).read_bytes()
        assert manifest.sizes[onnx_name(part.name)] < manifest.sizes[on_cpus] * 1.2
        assert 0 < manifest.details["differences"][part.name] < 0.01
    assert not list(made.glob("*.plan"))
    assert manifest.metrics["dev"].keys() == exported.manifest(EXPORT).metrics["dev"].keys()


def test_what_is_published_is_what_the_chain_would_publish(
    exported: Build, made: Path, tmp_path: Path
) -> None:
    publish(made, tmp_path / "models", exported.contract, DEFINITION)
    assert is_published(exported, tmp_path / "models")
    for part in exported.contract.parts:
        folder = tmp_path / "models" / exported.contract.model_name(part.name) / "1"
        assert {path.name for path in folder.iterdir()} == {"model.onnx", onnx_name("model")}


def test_a_form_that_costs_too_much_leaves_the_stage_as_it_was(exported: Build, made: Path) -> None:
    before = (made / "manifest.json").read_bytes()
    strict = replace(exported)
    quantization = replace(exported.recipe.quantization, tolerance=1e-9)
    strict.__dict__["recipe"] = replace(exported.recipe, quantization=quantization)
    with pytest.raises(ToleranceError, match=r"the fp16 form of image_encoder differs too much"):
        build_engines(strict, FP16, plans=False)
    assert (made / "manifest.json").read_bytes() == before


@without_tensorrt
def test_plans_without_tensorrt_are_refused_at_once(taught: Build) -> None:
    with pytest.raises(ConfigurationError, match=r"plans cannot be built without TensorRT.*--onnx-only"):
        build_engines(taught, FP16, plans=True)
    assert not taught.folder(ENGINE).exists()


@pytest.mark.parametrize("version", ["10.13.0", "11.10.0", "11.1"])
def test_another_tensorrt_than_the_servers_is_refused(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = types.ModuleType("tensorrt")
    other.__version__ = version  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorrt", other)
    with pytest.raises(ConfigurationError, match=rf"got TensorRT {version}, expected 11\.1\.0"):
        load_tensorrt()


def test_the_servers_tensorrt_is_taken_whatever_its_build(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = types.ModuleType("tensorrt")
    servers.__version__ = "11.1.0.106"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorrt", servers)
    assert load_tensorrt() is servers


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_machine_without_a_gpu_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"without a GPU: got no CUDA device.*--onnx-only"):
        find_gpu()


class Scaled:
    """A part that gives its input times a factor, and a wrong item in larger batches."""

    def __init__(self, factor: float, wrong: float = 0) -> None:
        self._factor, self._wrong = factor, wrong

    def run(self, _: None, arrays: Mapping[str, NDArray[np.generic]]) -> list[NDArray[Any]]:
        found = arrays["x"] * np.float32(self._factor)
        if len(found) > 1:
            found[-1] += self._wrong
        return [found]


class TestDifference:
    items: ClassVar = {"x": np.array([[1, -4], [2, 3]], np.float32)}

    def test_it_is_relative_to_the_largest_magnitude(self) -> None:
        assert relative_difference(Scaled(1), Scaled(1.25), self.items) == pytest.approx(0.25)

    def test_batches_and_single_items_count(self) -> None:
        assert relative_difference(Scaled(1), Scaled(1, wrong=2), self.items) == pytest.approx(0.5)

    def test_what_is_no_number_is_refused_in_every_precision(self) -> None:
        for precision in (FP32, FP16, INT8):
            with pytest.raises(ToleranceError, match=f"the {precision} form of fusion"):
                check_difference("fusion", precision, float("nan"), tolerance=1)

    def test_int8_is_left_to_the_dev_metrics(self) -> None:
        check_difference("fusion", INT8, 0.5, tolerance=0.01)
        with pytest.raises(ToleranceError, match=r"expected at most 1e-02"):
            check_difference("fusion", FP16, 0.5, tolerance=0.01)
