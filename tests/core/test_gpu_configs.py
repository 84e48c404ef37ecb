"""The configurations for GPUs beside config.pbtxt, and how they are published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from tests.core.exports import snapshot, write_export
from trifuse import systems
from trifuse.artifacts import read_manifest, write_manifest
from trifuse.contracts import EnsembleSpec, ModelSpec, ServiceSpec, SystemContract, TensorSpec
from trifuse.serving.gpu_configs import COMPUTE_CAPABILITIES, GPU, TENSORRT, onnx_name, plan_name
from trifuse.serving.gpu_profiles import Shapes, shape_profiles
from trifuse.serving.rendering import gpu_definition, render
from trifuse.serving.repository import publish

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "model_repository"
IDS, MASK = TensorSpec("ids", "INT64", (-1,)), TensorSpec("mask", "INT64", (-1,))
PATCHES, STORED = TensorSpec("patches", "FP32", (49, 4)), TensorSpec("patches", "INT8", (-1, 16, 4))
STATES, SCORE = TensorSpec("states", "FP32", (-1, 4)), TensorSpec("score", "FP32", (1,))
PIXELS = TensorSpec("pixels", "FP32", (3, 8, 8))
CONTRACT = SystemContract(
    system="probe",
    profile="smoke",
    max_batch_size=32,
    preprocess=ModelSpec("preprocess", (TensorSpec("text", "BYTES", (1,)),), (PIXELS, IDS, MASK)),
    parts=(
        ModelSpec("image_encoder", (PIXELS,), (PATCHES,)),
        ModelSpec("text_encoder", (IDS, MASK), (STATES,)),
        ModelSpec("fusion", (replace(PATCHES, dims=(-1, 4)), STATES, MASK), (SCORE,)),
    ),
    ensembles=(
        EnsembleSpec(
            "score",
            ("preprocess", "image_encoder", "text_encoder", "fusion"),
            (TensorSpec("text", "BYTES", (1,)),),
            (SCORE,),
        ),
    ),
    settings={"text_lengths": (16, 24, 64)},
    services=(ServiceSpec("index", (IDS,), (STORED,), holds_data=True),),
)


def parsed(path: Path) -> ModelConfig:
    return text_format.Parse(path.read_text(encoding="utf-8"), ModelConfig())


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository with a version that was made for GPUs too."""
    shim = tmp_path / "definition" / "probe_preprocess" / "1" / "model.py"
    shim.parent.mkdir(parents=True)
    shim.write_text("# shim\n")
    engine = write_export(tmp_path / "engine", CONTRACT)
    for name in (*(onnx_name(part.name) for part in CONTRACT.parts), plan_name("fusion", "9.0")):
        (engine / name).write_bytes(name.encode())
    write_manifest(engine, read_manifest(engine))
    publish(engine, tmp_path / "models", CONTRACT, tmp_path / "definition", cores=2)
    return tmp_path / "models"


@pytest.mark.parametrize("path", sorted(DEFINITION.rglob("*.pbtxt")), ids=lambda path: path.parts[-3:])
def test_tritons_own_protobuf_reads_every_configuration(path: Path) -> None:
    config = parsed(path)
    folder = path.parents[1] if path.parent.name == "configs" else path.parent
    assert config.name == folder.name
    assert config.output


@pytest.mark.parametrize("system", systems.available())
def test_the_definition_in_git_is_what_the_contract_renders(system: str) -> None:
    rendered = gpu_definition(system)
    for path, config in rendered.items():
        assert (DEFINITION / path).read_text(encoding="utf-8") == config, (
            f"run: python build/render_repository.py {system}"
        )
    contract = systems.contract(system, "full")
    assert rendered.keys() == {
        f"{contract.model_name(part.name)}/configs/{name}.pbtxt"
        for part in contract.parts
        for name in (GPU, TENSORRT)
    }


def test_no_other_model_has_a_configuration_for_gpus() -> None:
    rendered = {path for system in systems.available() for path in gpu_definition(system)}
    assert {str(path.relative_to(DEFINITION)) for path in DEFINITION.glob("*/configs/*")} == rendered


@pytest.mark.parametrize("name", [GPU, TENSORRT])
def test_only_what_runs_the_part_differs_from_the_configuration_for_cpus(name: str) -> None:
    paths = sorted(DEFINITION.glob(f"*/configs/{name}.pbtxt"))
    assert paths
    for path in paths:
        config, on_cpus = parsed(path), parsed(path.parents[1] / "config.pbtxt")
        assert config.input == on_cpus.input
        assert config.output == on_cpus.output
        assert config.max_batch_size == on_cpus.max_batch_size
        assert config.version_policy == on_cpus.version_policy
        assert [group.kind for group in config.instance_group] == [ModelInstanceGroup.KIND_GPU]
        assert [group.kind for group in on_cpus.instance_group] == [ModelInstanceGroup.KIND_CPU]


def test_preprocessing_stays_on_the_cpu() -> None:
    config = text_format.Parse(render(CONTRACT, 1, 2)["probe_preprocess"], ModelConfig())
    assert [group.kind for group in config.instance_group] == [ModelInstanceGroup.KIND_CPU]


class TestProfiles:
    def test_batches_and_text_lengths_are_the_contracts(self) -> None:
        one, many = shape_profiles(CONTRACT, CONTRACT.model("text_encoder"))
        assert many["ids"] == many["mask"] == Shapes((1, 16), (8, 24), (32, 64))
        assert one["ids"] == Shapes((1, 16), (1, 24), (32, 64))

    def test_fixed_axes_stay_fixed(self) -> None:
        _, many = shape_profiles(CONTRACT, CONTRACT.model("image_encoder"))
        assert many == {"pixels": Shapes((1, 3, 8, 8), (8, 3, 8, 8), (32, 3, 8, 8))}

    def test_an_axis_that_is_no_text_takes_the_sizes_that_the_contract_names(self) -> None:
        _, many = shape_profiles(CONTRACT, CONTRACT.model("fusion"))
        assert many["patches"] == Shapes((1, 16, 4), (8, 49, 4), (32, 49, 4))
        assert many["states"] == Shapes((1, 16, 4), (8, 24, 4), (32, 64, 4))

    @pytest.mark.parametrize("profile", systems.PROFILES)
    @pytest.mark.parametrize("system", systems.available())
    def test_every_shape_lies_between_the_least_and_the_largest(self, system: str, profile: str) -> None:
        contract = systems.contract(system, profile)
        for part in contract.parts:
            for shapes_by_input in shape_profiles(contract, part):
                for least, usual, largest in shapes_by_input.values():
                    assert least[0] == 1
                    assert largest[0] == contract.max_batch_size
                    assert all(a <= b <= c for a, b, c in zip(least, usual, largest, strict=True))


class TestPublished:
    def test_forms_for_gpus_lie_beside_the_model_and_belong_to_the_version(self, models: Path) -> None:
        folder = models / "probe_fusion" / "1"
        assert {path.name for path in folder.iterdir()} == {
            "model.onnx",
            onnx_name("model"),
            plan_name("model", "9.0"),
        }
        bundle = (models / "probe-1.json").read_text(encoding="utf-8")
        assert f"probe_fusion/1/{plan_name('model', '9.0')}" in bundle

    def test_configurations_name_the_files_that_are_published(self, models: Path) -> None:
        gpu = parsed(models / "probe_fusion/configs/gpu.pbtxt")
        assert gpu.default_model_filename == onnx_name("model")
        tensorrt = parsed(models / "probe_fusion/configs/tensorrt.pbtxt")
        assert set(tensorrt.cc_model_filenames) == set(COMPUTE_CAPABILITIES)
        assert tensorrt.cc_model_filenames["9.0"] == plan_name("model", "9.0")
        assert list(tensorrt.instance_group[0].profile) == ["0", "1"]

    def test_the_execution_provider_gets_the_profile_and_a_cache(self, models: Path) -> None:
        config = parsed(models / "probe_fusion/configs/gpu.pbtxt")
        (provider,) = config.optimization.execution_accelerators.gpu_execution_accelerator
        assert provider.name == "tensorrt"
        options = provider.parameters
        assert options["trt_profile_min_shapes"] == "patches:1x16x4,states:1x16x4,mask:1x16"
        assert options["trt_profile_opt_shapes"] == "patches:8x49x4,states:8x24x4,mask:8x24"
        assert options["trt_profile_max_shapes"] == "patches:32x49x4,states:32x64x4,mask:32x64"
        assert options["trt_engine_cache_path"].endswith("/probe_fusion")

    def test_publishing_again_puts_back_an_altered_configuration_and_touches_no_other(
        self, models: Path
    ) -> None:
        before = snapshot(models)
        altered, kept = (models / f"probe_fusion/configs/{name}.pbtxt" for name in (GPU, TENSORRT))
        altered.write_text("altered")
        written = kept.stat().st_mtime_ns
        publish(models.parent / "engine", models, CONTRACT, models.parent / "definition", cores=2)
        assert snapshot(models) == before
        assert kept.stat().st_mtime_ns == written
