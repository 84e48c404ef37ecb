"""Rendering, publishing and reading the model repository."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tests.core.exports import snapshot, write_export
from trifuse import systems
from trifuse.artifacts import Manifest, digest, write_manifest
from trifuse.contracts import EnsembleSpec, ModelSpec, SystemContract, TensorSpec
from trifuse.errors import ArtifactError, ConfigurationError, ContractMismatchError, ServerError
from trifuse.serving import repository as module
from trifuse.serving.cores import available_cores
from trifuse.serving.onnx_header import read_header
from trifuse.serving.rendering import definition, render
from trifuse.serving.repository import publish
from trifuse.serving.versions import check_digests, published_versions, served_version

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "model_repository"
SYSTEM = systems.available()[0]
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


@pytest.fixture
def shims(tmp_path: Path) -> Path:
    folder = tmp_path / "definition"
    (folder / "probe_preprocess" / "1").mkdir(parents=True)
    (folder / "probe_preprocess" / "1" / "model.py").write_text("# shim\n")
    return folder


def killed_at(step: int, action: Callable[[], object]) -> bool:
    """Run an action in a process that dies when it changes names for the `step`-th time; did it die?"""
    child = os.fork()
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, 9)
        return status == 9
    left = iter(range(step))

    def deadly(change: Callable[[Path, Path], object]) -> Callable[[Path, Path], object]:
        return lambda path, target: os._exit(9) if next(left, None) is None else change(path, target)

    for name in ("rename", "replace", "symlink_to"):
        setattr(Path, name, deadly(getattr(Path, name)))
    with contextlib.suppress(BaseException):
        action()
        os._exit(0)
    os._exit(1)


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

    @pytest.mark.parametrize(
        ("cores", "threads", "instances"), [(1, 1, 1), (2, 2, 1), (4, 4, 1), (8, 4, 2), (64, 4, 2)]
    )
    def test_threads_and_instances_fit_the_cores(self, cores: int, threads: int, instances: int) -> None:
        rendered = render(CONTRACT, 1, cores)
        pictures, states = parsed(rendered["probe_encoder"]), parsed(rendered["probe_head"])
        assert pictures.parameters["intra_op_thread_count"].string_value == str(threads)
        assert states.parameters["intra_op_thread_count"].string_value == "1"
        for config in (pictures, states):
            assert config.instance_group[0].count == instances
            assert config.HasField("dynamic_batching")
            assert config.version_policy.HasField("all")

    @pytest.mark.parametrize(("cores", "instances"), [(1, 1), (2, 2), (64, 4)])
    def test_preprocessing_instances_fit_the_cores(self, cores: int, instances: int) -> None:
        config = parsed(render(CONTRACT, 1, cores)["probe_preprocess"])
        assert config.instance_group[0].count == instances

    def test_a_step_without_its_input_is_refused(self) -> None:
        broken = EnsembleSpec("broken", ("preprocess", "head"), (TITLE,), (SCORE,))
        with pytest.raises(ConfigurationError, match="step head needs 'states'"):
            render(replace(CONTRACT, ensembles=(broken,)), 1, 2)


class TestPublishing:
    def test_a_version_is_complete_and_described(self, tmp_path: Path, shims: Path) -> None:
        export, models = write_export(tmp_path / "export", CONTRACT), tmp_path / "models"
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
        publish(write_export(tmp_path / "one", CONTRACT), models, CONTRACT, shims, cores=2)
        first = (models / "probe_head/1/model.onnx").read_bytes()
        assert (
            publish(write_export(tmp_path / "two", CONTRACT, weight=2), models, CONTRACT, shims, cores=2) == 2
        )
        assert served_version(models, CONTRACT) == 2
        assert (models / "probe_head/1/model.onnx").read_bytes() == first
        assert (models / "probe_head/2/model.onnx").read_bytes() != first
        assert sorted(published_versions(models, "probe")) == [1, 2]

    def test_the_same_export_stays_its_version(self, tmp_path: Path, shims: Path) -> None:
        export, models = write_export(tmp_path / "export", CONTRACT), tmp_path / "models"
        publish(export, models, CONTRACT, shims, cores=2)
        before = snapshot(models)
        assert publish(export, models, CONTRACT, shims, cores=2) == 1
        assert snapshot(models) == before

    def test_an_interrupted_publication_changes_no_ensemble_and_completes(
        self, tmp_path: Path, shims: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        models = tmp_path / "models"
        publish(write_export(tmp_path / "one", CONTRACT), models, CONTRACT, shims, cores=2)
        configs = {name: content for name, content in snapshot(models).items() if name.endswith(".pbtxt")}
        export = write_export(tmp_path / "two", CONTRACT, weight=2)
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
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            ".models.lock",
            "definition",
            "models",
            "one",
            "two",
        ]

    @pytest.mark.parametrize("earlier", [0, 1])
    def test_a_publication_killed_at_any_moment_leaves_a_complete_version(
        self, tmp_path: Path, shims: Path, earlier: int
    ) -> None:
        first, second = (write_export(tmp_path / f"export{n}", CONTRACT, weight=n) for n in (1, 2))
        for step in range(100):
            models = tmp_path / f"models{step}"
            if earlier:
                publish(first, models, CONTRACT, shims, cores=2)
            if not killed_at(step, lambda: publish(second, models, CONTRACT, shims, cores=2)):  # noqa: B023
                break
            bundles = published_versions(models, "probe")
            if bundles:
                version = served_version(models, CONTRACT)
                assert 1 <= version <= earlier + 1
                check_digests(models, bundles[version])
            assert publish(second, models, CONTRACT, shims, cores=2) == earlier + 1
            assert served_version(models, CONTRACT) == earlier + 1
        assert step > len(render(CONTRACT, 1, 2))

    def test_an_ensemble_that_left_the_others_is_noticed_and_repaired(
        self, tmp_path: Path, shims: Path
    ) -> None:
        export, models = write_export(tmp_path / "export", CONTRACT), tmp_path / "models"
        publish(export, models, CONTRACT, shims, cores=2)
        config = models / "probe_embed/config.pbtxt"
        content = config.read_text()
        config.unlink()
        config.write_text(content)
        with pytest.raises(ArtifactError, match=r"probe_embed/config.pbtxt .*build/publish.py probe"):
            served_version(models, CONTRACT)
        assert publish(export, models, CONTRACT, shims, cores=2) == 1
        assert served_version(models, CONTRACT) == 1

    def test_the_candidate_is_probed_and_a_refused_one_leaves_everything_as_it_was(
        self, tmp_path: Path, shims: Path
    ) -> None:
        models = tmp_path / "models"
        candidates = []

        def refuse(candidate: Path) -> None:
            candidates.append((served_version(candidate, CONTRACT), snapshot(candidate)))
            raise ServerError("it answers nonsense")

        for version in (1, 2):
            before = snapshot(models)
            export = write_export(tmp_path / f"export{version}", CONTRACT, weight=version)
            with pytest.raises(ServerError, match="nonsense"):
                publish(export, models, CONTRACT, shims, cores=2, probe=refuse)
            assert snapshot(models) == before
            assert models.exists() == (version == 2)
            publish(export, models, CONTRACT, shims, cores=2)
            served, files = candidates[-1]
            assert served == version
            assert files.items() <= snapshot(models).items()

    @pytest.mark.parametrize("damage", ["altered", "shortened", "no file", "no version", "no model"])
    def test_publishing_again_puts_back_what_is_damaged(
        self, tmp_path: Path, shims: Path, damage: str
    ) -> None:
        export, models = write_export(tmp_path / "export", CONTRACT), tmp_path / "models"
        publish(export, models, CONTRACT, shims, cores=2)
        before = snapshot(models)
        for name in ("probe_head/1/model.onnx", "probe_preprocess/1/vocabulary.json"):
            path = models / name
            if damage == "altered":
                path.write_bytes(bytes(path.stat().st_size))
            elif damage == "shortened":
                path.write_bytes(b"")
            elif damage == "no file":
                path.unlink()
            else:
                module.shutil.rmtree(path.parent if damage == "no version" else path.parents[1])
        assert publish(export, models, CONTRACT, shims, cores=2) == 1
        assert snapshot(models) == before

    def test_publications_at_once_become_versions_of_their_own(self, tmp_path: Path, shims: Path) -> None:
        models = tmp_path / "models"
        exports = [write_export(tmp_path / f"export{weight}", CONTRACT, weight=weight) for weight in range(4)]
        with ThreadPoolExecutor(len(exports)) as pool:
            versions = list(pool.map(lambda path: publish(path, models, CONTRACT, shims, cores=2), exports))
        assert sorted(versions) == [1, 2, 3, 4]
        assert served_version(models, CONTRACT) == 4
        for version, export in zip(versions, exports, strict=True):
            placed = models / f"probe_head/{version}/model.onnx"
            assert placed.read_bytes() == (export / "head.onnx").read_bytes()

    def test_what_a_killed_publication_left_beside_the_repository_is_removed(
        self, tmp_path: Path, shims: Path
    ) -> None:
        left = tmp_path / ".models.staging-killed" / "probe_head"
        left.mkdir(parents=True)
        publish(write_export(tmp_path / "export", CONTRACT), tmp_path / "models", CONTRACT, shims, cores=2)
        assert not left.parent.exists()

    def test_another_contract_in_the_repository_is_refused(self, tmp_path: Path, shims: Path) -> None:
        models = tmp_path / "models"
        publish(write_export(tmp_path / "one", CONTRACT), models, CONTRACT, shims, cores=2)
        before = snapshot(models)
        other = replace(CONTRACT, profile="demo")
        with pytest.raises(ContractMismatchError, match=r"probe under another contract.*--repository"):
            publish(write_export(tmp_path / "two", other), models, other, shims, cores=2)
        assert snapshot(models) == before

    def test_a_part_of_another_contract_is_refused(self, tmp_path: Path, shims: Path) -> None:
        export = write_export(tmp_path / "export", CONTRACT, contract_hash="0123456789abcdef")
        with pytest.raises(ContractMismatchError, match=r"encoder\.onnx was exported under another contract"):
            publish(export, tmp_path / "models", CONTRACT, shims, cores=2)
        assert not (tmp_path / "models").exists()

    def test_a_too_new_opset_is_refused(self, tmp_path: Path, shims: Path) -> None:
        export = write_export(tmp_path / "export", CONTRACT, opset=22)
        with pytest.raises(ArtifactError, match="too new for the server: got 22, expected 21 or less"):
            publish(export, tmp_path / "models", CONTRACT, shims, cores=2)

    def test_an_altered_export_is_refused(self, tmp_path: Path, shims: Path) -> None:
        export = write_export(tmp_path / "export", CONTRACT)
        (export / "head.onnx").write_bytes(b"altered")
        with pytest.raises(ArtifactError, match="is not what its stage wrote"):
            publish(export, tmp_path / "models", CONTRACT, shims, cores=2)

    def test_a_damaged_bundle_manifest_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "probe-1.json").write_text(json.dumps({"surprise": 1}))
        with pytest.raises(ArtifactError, match=r"probe-1\.json cannot be read"):
            published_versions(tmp_path, "probe")


class TestScript:
    def publish(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "build" / "publish.py"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_an_export_older_than_the_training_is_refused(self, tmp_path: Path) -> None:
        contract = systems.contract(SYSTEM, "smoke")
        write_export(tmp_path / SYSTEM / "export", contract)
        (tmp_path / SYSTEM / "train").mkdir()
        trained = Manifest(SYSTEM, "train", contract.profile, contract.hash, details={"seed": 0})
        write_manifest(tmp_path / SYSTEM / "train", trained)
        answer = self.publish(SYSTEM, "--artifacts", tmp_path)
        assert answer.returncode == ArtifactError.exit_code
        assert "the export was not made from the train stage as it is now" in answer.stderr
        assert f"build/export_onnx.py {SYSTEM}" in answer.stderr

    def test_an_unknown_system_is_refused(self) -> None:
        answer = self.publish("typo")
        assert answer.returncode == 2
        assert "invalid choice: 'typo'" in answer.stderr


class TestCores:
    @pytest.mark.parametrize("limit", ["max 100000", "100000000 100000"])
    def test_without_a_lower_quota_the_affinity_counts(self, tmp_path: Path, limit: str) -> None:
        (tmp_path / "cpu.max").write_text(f"{limit}\n")
        assert available_cores(tmp_path / "cpu.max") == available_cores(tmp_path / "no control group")

    @pytest.mark.parametrize("limit", ["100000 100000", "50000 100000"])
    def test_a_quota_of_a_core_or_less_is_one_core(self, tmp_path: Path, limit: str) -> None:
        (tmp_path / "cpu.max").write_text(f"{limit}\n")
        assert available_cores(tmp_path / "cpu.max") == 1


class TestHeader:
    def test_the_header_is_read_without_the_graph(self, tmp_path: Path) -> None:
        header = read_header(write_export(tmp_path / "export", CONTRACT) / "encoder.onnx")
        assert (header.ir_version, header.opsets) == (10, {"": 21})
        assert header.metadata == {"contract_hash": CONTRACT.hash, "parity": "1e-6"}

    def test_every_cut_file_is_refused(self, tmp_path: Path) -> None:
        path = write_export(tmp_path / "export", CONTRACT) / "encoder.onnx"
        whole = path.read_bytes()
        for size in (0, 1, 10, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size])
            with pytest.raises(ArtifactError, match="ONNX model"):
                read_header(path)
