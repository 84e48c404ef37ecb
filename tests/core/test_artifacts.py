from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trifuse import artifacts, systems
from trifuse.errors import ArtifactError, ContractMismatchError

CONTRACT = systems.contract("product", "smoke")


def _stage(folder: Path, content: str = "weights") -> None:
    with artifacts.new_folder(folder) as new:
        (new / "model.bin").write_text(content)
        (new / "assets").mkdir()
        (new / "assets" / "vocabulary").write_text("words")
        artifacts.write_manifest(
            new, artifacts.Manifest("product", "train", "smoke", CONTRACT.hash, metrics={"auc": 0.9})
        )


def test_a_stage_describes_its_files(tmp_path: Path) -> None:
    _stage(tmp_path / "train")
    manifest = artifacts.verify(tmp_path / "train", CONTRACT)
    assert manifest.sizes == {"model.bin": 7, "assets/vocabulary": 5}
    assert manifest.metrics == {"auc": 0.9}
    assert manifest.versions["numpy"]


def test_a_changed_file_is_found(tmp_path: Path) -> None:
    _stage(tmp_path / "train")
    (tmp_path / "train" / "model.bin").write_text("Weights")
    with pytest.raises(ArtifactError, match=r"model\.bin is not what its stage wrote"):
        artifacts.verify(tmp_path / "train", CONTRACT)


def test_another_contract_is_refused(tmp_path: Path) -> None:
    _stage(tmp_path / "train")
    with pytest.raises(ContractMismatchError, match=r"smoke .*expected full"):
        artifacts.verify(tmp_path / "train", systems.contract("product", "full"))


def test_a_missing_stage_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="Run the train stage first"):
        artifacts.read_manifest(tmp_path / "train")


def test_a_damaged_manifest_is_an_artifact_error(tmp_path: Path) -> None:
    artifacts.write_file(tmp_path / "train" / "manifest.json", '{"system": "product"')
    with pytest.raises(ArtifactError, match="cannot be read"):
        artifacts.read_manifest(tmp_path / "train")


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    _stage(tmp_path / "train")

    def fail() -> None:
        with artifacts.new_folder(tmp_path / "train") as new:
            (new / "model.bin").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["train"]
    assert (tmp_path / "train" / "model.bin").read_text() == "weights"


def test_a_killed_process_never_shows_a_half_written_folder(tmp_path: Path) -> None:
    """Kill a process that replaces a folder over and over; readers must always see a whole one."""
    program = (
        "import sys, itertools, pathlib\n"
        "from trifuse.artifacts import new_folder\n"
        "for number in itertools.count():\n"
        "    with new_folder(pathlib.Path(sys.argv[1])) as new:\n"
        "        for name in 'abc':\n"
        "            (new / name).write_text(str(number))\n"
        "    print(number, flush=True)\n"
    )
    for count in (1, 40, 90):
        command = [sys.executable, "-c", program, str(tmp_path / "stage")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(count):
                process.stdout.readline()
                assert len({(tmp_path / "stage" / name).exists() for name in "abc"}) == 1
            os.kill(process.pid, signal.SIGKILL)
        assert len({(tmp_path / "stage" / name).read_text() for name in "abc"}) == 1
    _stage(tmp_path / "stage")
    assert [path.name for path in tmp_path.iterdir()] == ["stage"], "what killed processes left is cleaned up"


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        artifacts.write_file(tmp_path / "folder", "content")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_new_file_takes_the_place_of_the_old_one_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    artifacts.write_file(path, "old")

    def write(rows: list[str]) -> None:
        with artifacts.new_file(path) as file:
            for row in rows:
                file.write(row + "\r\n")
                assert path.read_text() == "old"

    with pytest.raises(TypeError):
        write(["裙", None])
    assert [file.name for file in tmp_path.iterdir()] == ["rows.csv"]
    write(["裙", "包"])
    assert path.read_bytes() == "裙\r\n包\r\n".encode()
    assert path.stat().st_mode & 0o777 == 0o644


def test_written_files_are_whole_and_readable(tmp_path: Path) -> None:
    artifacts.write_file(tmp_path / "deep" / "file.txt", "简约")
    assert (tmp_path / "deep" / "file.txt").read_text() == "简约"
    assert (tmp_path / "deep" / "file.txt").stat().st_mode & 0o777 == 0o644
    assert len(list((tmp_path / "deep").iterdir())) == 1
