"""A fourth system in one command, in a copy of the repository: written, trained, served and measured."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.triton.served import ROOT

NAME = "traffic"


def copied(folder: Path) -> Path:
    for name in ("src", "build", "benchmarks", "clients", "model_repository", "pyproject.toml"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / name)
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, text=True, capture_output=True, check=False
    )


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_system_is_added_without_touching_the_rest(tmp_path: Path, server_environment: Path) -> None:
    assert server_environment.is_dir()
    folder = copied(tmp_path)
    before = files(folder)
    done = run(folder, "build/add_system.py", NAME)
    assert not done.returncode, done.stdout + done.stderr
    assert "accuracy" in done.stdout.rpartition("benchmarks/quality.py")[2]
    after = files(folder)
    assert {name: after.get(name) for name in before} == before
    new = after.keys() - before
    assert f"src/trifuse/systems/{NAME}/contract.py" in new
    assert [name for name in new if f"/{NAME}" not in name] == []
    again = run(folder, "build/add_system.py", NAME)
    assert again.returncode == 2
    assert "there is such a system" in again.stderr
