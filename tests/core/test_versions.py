"""What is published and served, and going back to another version."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.exports import snapshot, write_export
from trifuse import systems
from trifuse.errors import ArtifactError, ConfigurationError
from trifuse.serving.repository import publish
from trifuse.serving.switching import rollback
from trifuse.serving.versions import published_systems, served_version

DEFINITION = Path(__file__).parents[2] / "model_repository"
SYSTEM = systems.available()[0]
CONTRACT = systems.contract(SYSTEM, "smoke")
TRIFUSE = "import sys; from trifuse.cli import main; sys.exit(main(sys.argv[1:]))"


def publish_weight(folder: Path, weight: float = 1) -> Path:
    export = write_export(folder / f"export{weight}", CONTRACT, weight=weight)
    publish(export, folder / "models", CONTRACT, DEFINITION, cores=2)
    return folder / "models"


def part(models: Path, version: int) -> Path:
    return models / CONTRACT.model_name(CONTRACT.parts[0].name) / str(version) / "model.onnx"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository with three versions, of which the last is served."""
    for weight in (1, 2, 3):
        publish_weight(tmp_path, weight)
    return tmp_path / "models"


class TestServed:
    """What `serve` checks before it starts."""

    def test_a_complete_publication_is_served(self, tmp_path: Path) -> None:
        assert published_systems(publish_weight(tmp_path)) == [(CONTRACT, 1)]

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        models = publish_weight(tmp_path)
        part(models, 1).unlink()
        with pytest.raises(
            ArtifactError, match=r"1/model\.onnx .* got no file.*build/publish\.py"
        ) as failure:
            published_systems(models)
        assert str(part(models, 1)) in str(failure.value)

    def test_a_file_of_another_size_is_named(self, tmp_path: Path) -> None:
        models = publish_weight(tmp_path)
        part(models, 1).write_bytes(b"cut off")
        with pytest.raises(ArtifactError, match=r"1/model\.onnx .* got 7 bytes.*build/publish\.py"):
            published_systems(models)

    def test_an_older_version_may_be_deleted_but_not_damaged(self, tmp_path: Path) -> None:
        models = publish_weight(tmp_path)
        publish_weight(tmp_path, weight=2)
        part(models, 1).unlink()
        with pytest.raises(ArtifactError, match=r"Version 2 is served: delete .*/1$"):
            published_systems(models)
        part(models, 1).parent.rmdir()
        assert published_systems(models) == [(CONTRACT, 2)]


class TestRollback:
    def test_back_and_forward_changes_what_is_served_and_nothing_else(self, models: Path) -> None:
        before = snapshot(models)
        for version in (1, 3, 2):
            rollback(models, SYSTEM, version)
            assert published_systems(models) == [(CONTRACT, version)]
            for ensemble in CONTRACT.ensembles:
                config = (models / CONTRACT.model_name(ensemble.name) / "config.pbtxt").read_text()
                assert f"model_version: {version}\n" in config
        assert {name for name, content in snapshot(models).items() if before[name] != content} == {
            f"{CONTRACT.model_name(ensemble.name)}/config.pbtxt" for ensemble in CONTRACT.ensembles
        } | {name for name in before if "/served/" in name}

    def test_the_next_publication_is_served_after_a_rollback(self, models: Path, tmp_path: Path) -> None:
        rollback(models, SYSTEM, 1)
        publish_weight(tmp_path, 4)
        assert served_version(models, CONTRACT) == 4

    def test_an_unknown_version_names_the_ones_that_exist(self, models: Path) -> None:
        with pytest.raises(ConfigurationError, match="got 7, expected one of 1, 2, 3"):
            rollback(models, SYSTEM, 7)
        assert served_version(models, CONTRACT) == 3

    def test_a_repository_without_the_system_says_how_to_publish(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=rf"no such version .*build/publish.py {SYSTEM}"):
            rollback(tmp_path / "nowhere" / "models", SYSTEM, 1)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("damage", ["altered", "deleted"])
    def test_a_damaged_version_is_refused(self, models: Path, damage: str) -> None:
        path = part(models, 2)
        if damage == "altered":
            path.write_bytes(bytes(path.stat().st_size))
        else:
            path.unlink()
        before = snapshot(models)
        with pytest.raises(ArtifactError, match=rf"version 2 of {SYSTEM} is damaged: {path}"):
            rollback(models, SYSTEM, 2)
        assert snapshot(models) == before

    def test_a_version_without_its_ensembles_is_refused(self, models: Path) -> None:
        home = CONTRACT.model_name(CONTRACT.ensembles[0].name)
        bundle = models / f"{SYSTEM}-1.json"
        content = json.loads(bundle.read_text())
        content["files"] = {name: value for name, value in content["files"].items() if home not in name}
        bundle.write_text(json.dumps(content))
        shutil.rmtree(models / home / "1")
        with pytest.raises(ArtifactError, match=f"version 1 of {SYSTEM} has no configuration of {home}"):
            rollback(models, SYSTEM, 1)
        assert served_version(models, CONTRACT) == 3


class TestCommands:
    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", TRIFUSE, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_versions_are_listed_for_programs(self, models: Path) -> None:
        rollback(models, SYSTEM, 2)
        answer = self.run("versions", SYSTEM, "--repository", models, "--json")
        found = json.loads(answer.stdout)
        assert (found["system"], found["repository"], found["served"]) == (SYSTEM, str(models), 2)
        assert [entry["version"] for entry in found["versions"]] == [1, 2, 3]
        for entry in found["versions"]:
            assert (entry["profile"], entry["contract_hash"]) == ("smoke", CONTRACT.hash)
            assert entry["metrics"] == {"auc": 0.9}
            assert entry["size"] > part(models, entry["version"]).stat().st_size
            assert entry["published"].endswith("+00:00")

    def test_versions_are_shown_to_people(self, models: Path) -> None:
        answer = self.run("versions", SYSTEM, "--repository", models)
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.count("auc 0.9") == 3
        assert answer.stdout.count("yes") == 1

    def test_a_system_that_is_not_published_is_a_clear_error(self, tmp_path: Path) -> None:
        answer = self.run("versions", SYSTEM, "--repository", tmp_path)
        assert answer.returncode == ConfigurationError.exit_code
        assert f"build/publish.py {SYSTEM}" in answer.stderr

    def test_rollback_says_that_a_running_server_is_not_told(self, models: Path) -> None:
        answer = self.run("rollback", SYSTEM, 1, "--repository", models)
        assert answer.returncode == 0, answer.stderr
        assert f"{SYSTEM}: version 1 is served from {models}" in answer.stdout
        assert "told with --url" in answer.stdout
        assert served_version(models, CONTRACT) == 1

    def test_an_unknown_version_is_one_line(self, models: Path) -> None:
        answer = self.run("rollback", SYSTEM, 9, "--repository", models)
        assert answer.returncode == ConfigurationError.exit_code
        assert "expected one of 1, 2, 3" in answer.stderr
        assert answer.stderr.count("\n") == 1

    def test_a_server_that_is_not_there_changes_nothing(self, models: Path) -> None:
        answer = self.run("rollback", SYSTEM, 1, "--repository", models, "--url", "127.0.0.1:9")
        assert answer.returncode == 4
        assert "no server is ready at grpc://127.0.0.1:9" in answer.stderr
        assert served_version(models, CONTRACT) == 3
