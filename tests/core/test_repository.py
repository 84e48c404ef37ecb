"""Rendering, publishing and reading the model repository."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from google.protobuf import text_format
from onnx import TensorProto, helper
from tritonclient.grpc.model_config_pb2 import ModelConfig

from trifuse import systems
from trifuse.artifacts import Manifest, digest, write_manifest
from trifuse.contracts import EnsembleSpec, ModelSpec, SystemContract, TensorSpec
from trifuse.errors import ArtifactError, ConfigurationError, ContractMismatchError
from trifuse.serving import repository as module
from trifuse.serving.onnx_header import read_header
from trifuse.serving.rendering import definition, render
from trifuse.serving.repository import publish, published_versions, served_version

DEFINITION = Path(__file__).parents[2] / "model_repository"
PHOTO, TITLE = (
    TensorSpec("photo", "BYTES", (1,), optional=True),
    TensorSpec("title", "BYTES", (1,), optional=True),
)
PIXELS, IDS = TensorSpec("pixels", "FP32", (3, 8, 8)), TensorSpec("ids", "INT64", (-1,))
VECTOR, STATES, SCORE = (TensorSpec(name, "FP32", (4,)) for name in ("vector", "states", "score"))
CONTRACT = SystemContract(
    system="probe",
    profile="smoke",
    max_batch_size=16,
    preprocess=ModelSpec("preprocess", (PHOTO, TITLE), (PIXELS, IDS)),
    parts=(ModelSpec("encoder", (PIXELS,), (VECTOR, STATES)), ModelSpec("head", (STATES, IDS), (SCORE,))),
    ensembles=(
        EnsembleSpec("score", ("preprocess", "encoder", "head"), (PHOTO, TITLE), (SCORE,)),
        EnsembleSpec("embed", ("preprocess", "encoder"), (replace(PHOTO, optional=False),), (VECTOR,)),
    ),
)


def parsed(text: str) -> ModelConfig:
    return text_format.Parse(text, ModelConfig())


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def shims(tmp_path: Path) -> Path:
    folder = tmp_path / "definition"
    (folder / "probe_preprocess" / "1").mkdir(parents=True)
    (folder / "probe_preprocess" / "1" / "model.py").write_text("# shim\n")
    return folder


def write_export(
    folder: Path,
    contract: SystemContract = CONTRACT,
    *,
    weight: float = 1,
    opset: int = 21,
    contract_hash: str = "",
) -> Path:
    (folder / "assets").mkdir(parents=True)
    (folder / "assets" / "vocabulary.json").write_text("{}")
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in ("x", "y")]
    constant = helper.make_tensor("weight", TensorProto.FLOAT, [1], [weight])
    for part in contract.parts:
        graph = helper.make_graph(
            [helper.make_node("Mul", ["x", "weight"], ["y"])], part.name, tensors[:1], tensors[1:], [constant]
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
        helper.set_model_props(model, {"contract_hash": contract_hash or contract.hash, "parity": "1e-6"})
        onnx.save(model, folder / f"{part.name}.onnx")
    write_manifest(folder, Manifest("probe", "export", contract.profile, contract.hash, metrics={"auc": 0.9}))
    return folder


class TestRendering:
    @pytest.mark.parametrize("system", systems.available())
    def test_the_definition_in_git_is_what_the_contract_renders(self, system: str) -> None:
        for model, config in definition(system).items():
            path = DEFINITION / model / "config.pbtxt"
            assert path.read_text() == config, f"run: python build/render_repository.py {system}"

    def test_every_model_of_the_definition_is_rendered(self) -> None:
        rendered = {model for system in systems.available() for model in definition(system)}
        assert {folder.name for folder in DEFINITION.iterdir()} == rendered

    def test_an_ensemble_pins_its_version_and_passes_only_what_is_needed(self) -> None:
        config = parsed(render(CONTRACT, 7, 2)["probe_embed"])
        assert list(config.version_policy.specific.versions) == [7]
        steps = config.ensemble_scheduling.step
        assert [(step.model_name, step.model_version) for step in steps] == [
            ("probe_preprocess", 7),
            ("probe_encoder", 7),
        ]
        assert [dict(step.input_map) for step in steps] == [{"photo": "photo"}, {"pixels": "pixels"}]
        assert [dict(step.output_map) for step in steps] == [{"pixels": "pixels"}, {"vector": "vector"}]

    def test_the_preprocessing_carries_the_contract(self) -> None:
        config = parsed(render(CONTRACT, 1, 2)["probe_preprocess"])
        assert config.backend == "python"
        assert config.parameters["contract_hash"].string_value == CONTRACT.hash
        assert config.parameters["profile"].string_value == "smoke"
        assert [tensor.optional for tensor in config.input] == [True, True]

    @pytest.mark.parametrize(("cores", "threads", "instances"), [(1, 1, 1), (2, 2, 1), (4, 4, 1), (16, 4, 4)])
    def test_threads_and_instances_fit_the_cores(self, cores: int, threads: int, instances: int) -> None:
        config = parsed(render(CONTRACT, 1, cores)["probe_head"])
        assert config.parameters["intra_op_thread_count"].string_value == str(threads)
        assert config.instance_group[0].count == instances
        assert config.HasField("dynamic_batching")
        assert config.version_policy.HasField("all")

    def test_a_step_without_its_input_is_refused(self) -> None:
        broken = EnsembleSpec("broken", ("preprocess", "head"), (TITLE,), (SCORE,))
        with pytest.raises(ConfigurationError, match="step head needs 'states'"):
            render(replace(CONTRACT, ensembles=(broken,)), 1, 2)


class TestPublishing:
    def test_a_version_is_complete_and_described(self, tmp_path: Path, shims: Path) -> None:
        export, models = write_export(tmp_path / "export"), tmp_path / "models"
        before = snapshot(shims)
        assert publish(export, models, CONTRACT, shims, cores=2) == 1
        assert snapshot(shims) == before
        assert (models / "probe_encoder/1/model.onnx").read_bytes() == (export / "encoder.onnx").read_bytes()
        assert (models / "probe_preprocess/1/model.py").read_text() == "# shim\n"
        assert (models / "probe_preprocess/1/vocabulary.json").is_file()
        assert (models / "probe_score/1").is_dir()
        bundle = published_versions(models, "probe")[1]
        assert (bundle.stage, bundle.contract_hash, bundle.metrics) == (
            "publish",
            CONTRACT.hash,
            {"auc": 0.9},
        )
        assert bundle.files == {name: digest(models / name) for name in bundle.files}
        assert {path.name for path in models.iterdir() if path.is_dir()} == set(render(CONTRACT, 1, 2))

    def test_the_next_export_is_the_next_version(self, tmp_path: Path, shims: Path) -> None:
        models = tmp_path / "models"
        publish(write_export(tmp_path / "one"), models, CONTRACT, shims, cores=2)
        first = (models / "probe_head/1/model.onnx").read_bytes()
        assert publish(write_export(tmp_path / "two", weight=2), models, CONTRACT, shims, cores=2) == 2
        assert served_version(models, CONTRACT) == 2
        assert (models / "probe_head/1/model.onnx").read_bytes() == first
        assert (models / "probe_head/2/model.onnx").read_bytes() != first
        assert sorted(published_versions(models, "probe")) == [1, 2]

    def test_the_same_export_stays_its_version(self, tmp_path: Path, shims: Path) -> None:
        export, models = write_export(tmp_path / "export"), tmp_path / "models"
        publish(export, models, CONTRACT, shims, cores=2)
        before = snapshot(models)
        assert publish(export, models, CONTRACT, shims, cores=2) == 1
        assert snapshot(models) == before

    def test_an_interrupted_publication_changes_no_ensemble_and_completes(
        self, tmp_path: Path, shims: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        models = tmp_path / "models"
        publish(write_export(tmp_path / "one"), models, CONTRACT, shims, cores=2)
        configs = {name: content for name, content in snapshot(models).items() if name.endswith(".pbtxt")}
        export = write_export(tmp_path / "two", weight=2)
        # The disk fills up after every possible number of copied files.
        copy, files = module.shutil.copyfile, len(CONTRACT.parts) + 2
        for allowed in range(files):
            done: list[Path] = []

            def interrupted(
                source: Path, target: Path, done: list[Path] = done, allowed: int = allowed
            ) -> None:
                if len(done) == allowed:
                    raise OSError("no space left")
                done.append(copy(source, target))

            monkeypatch.setattr(module.shutil, "copyfile", interrupted)
            with pytest.raises(OSError, match="no space"):
                publish(export, models, CONTRACT, shims, cores=2)
            assert served_version(models, CONTRACT) == 1
            assert {name: (models / name).read_bytes() for name in configs} == configs
        monkeypatch.undo()
        assert publish(export, models, CONTRACT, shims, cores=2) == 2
        assert served_version(models, CONTRACT) == 2
        assert sorted(path.name for path in tmp_path.iterdir()) == ["definition", "models", "one", "two"]

    def test_a_publication_killed_between_ensembles_is_noticed_and_completes(
        self, tmp_path: Path, shims: Path
    ) -> None:
        models = tmp_path / "models"
        publish(write_export(tmp_path / "one"), models, CONTRACT, shims, cores=2)
        old = (models / "probe_embed/config.pbtxt").read_text()
        export = write_export(tmp_path / "two", weight=2)
        publish(export, models, CONTRACT, shims, cores=2)
        (models / "probe_embed/config.pbtxt").write_text(old)
        with pytest.raises(ArtifactError, match=r"interrupted.*build/publish.py probe"):
            served_version(models, CONTRACT)
        assert publish(export, models, CONTRACT, shims, cores=2) == 2
        assert served_version(models, CONTRACT) == 2

    def test_another_contract_in_the_repository_is_refused(self, tmp_path: Path, shims: Path) -> None:
        models = tmp_path / "models"
        publish(write_export(tmp_path / "one"), models, CONTRACT, shims, cores=2)
        before = snapshot(models)
        other = replace(CONTRACT, profile="demo")
        with pytest.raises(ContractMismatchError, match=r"probe under another contract.*--repository"):
            publish(write_export(tmp_path / "two", other), models, other, shims, cores=2)
        assert snapshot(models) == before

    def test_a_part_of_another_contract_is_refused(self, tmp_path: Path, shims: Path) -> None:
        export = write_export(tmp_path / "export", contract_hash="0123456789abcdef")
        with pytest.raises(ContractMismatchError, match=r"encoder\.onnx was exported under another contract"):
            publish(export, tmp_path / "models", CONTRACT, shims, cores=2)
        assert not (tmp_path / "models").exists()

    def test_a_too_new_opset_is_refused(self, tmp_path: Path, shims: Path) -> None:
        export = write_export(tmp_path / "export", opset=22)
        with pytest.raises(ArtifactError, match="too new for the server: got 22, expected 21 or less"):
            publish(export, tmp_path / "models", CONTRACT, shims, cores=2)

    def test_an_altered_export_is_refused(self, tmp_path: Path, shims: Path) -> None:
        export = write_export(tmp_path / "export")
        (export / "head.onnx").write_bytes(b"altered")
        with pytest.raises(ArtifactError, match="is not what its stage wrote"):
            publish(export, tmp_path / "models", CONTRACT, shims, cores=2)

    def test_a_damaged_bundle_manifest_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "probe-1.json").write_text(json.dumps({"surprise": 1}))
        with pytest.raises(ArtifactError, match=r"probe-1\.json cannot be read"):
            published_versions(tmp_path, "probe")


class TestHeader:
    def test_the_header_is_read_without_the_graph(self, tmp_path: Path) -> None:
        header = read_header(write_export(tmp_path / "export") / "encoder.onnx")
        assert (header.ir_version, header.opsets) == (10, {"": 21})
        assert header.metadata == {"contract_hash": CONTRACT.hash, "parity": "1e-6"}

    def test_every_cut_file_is_refused(self, tmp_path: Path) -> None:
        path = write_export(tmp_path / "export") / "encoder.onnx"
        whole = path.read_bytes()
        for size in (0, 1, 10, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size])
            with pytest.raises(ArtifactError, match="ONNX model"):
                read_header(path)
