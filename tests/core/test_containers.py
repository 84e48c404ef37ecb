"""The container files, as far as they can be proven without Docker; `make containers` runs their linters."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from trifuse.serving.gpu_configs import CACHE, GPU, SERVER_TENSORRT, TENSORRT

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
# The first whose client shared memory is off by default.
LEAST_RELEASE = (26, 7)


def instructions(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the instructions of a Dockerfile with their arguments, continued lines joined."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, arguments = line.partition(" ")
        yield name, arguments


def locked(name: str) -> dict[str, str]:
    """Read a lock: the text of every package's entry, by its name."""
    entries = re.split(r"\n(?=\S)", (ROOT / "locks" / name).read_text())
    return {entry.partition("==")[0]: entry for entry in entries if not entry.startswith("#")}


def requirements(path: Path) -> list[str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [
        name
        for line in lines
        for name in (
            requirements(path.parent / line.removeprefix("-r "))
            if line.startswith("-r ")
            else [Requirement(line).name]
        )
    ]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    return content


class TestDockerfiles:
    def test_both_images_are_of_one_release_that_is_new_enough(self) -> None:
        releases = set()
        for path in DOCKERFILES:
            argument = next(arguments for name, arguments in instructions(path) if name == "ARG")
            image = re.fullmatch(r"\w+_IMAGE=nvcr\.io/nvidia/\w+:(\d\d)\.(\d\d)-py3", argument)
            assert image, argument
            releases.add(tuple(map(int, image.groups())))
        assert len(releases) == 1
        assert releases.pop() >= LEAST_RELEASE

    @pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
    def test_the_image_is_an_argument_so_that_a_digest_can_be_given(self, path: Path) -> None:
        (argument, name), (source, image) = list(instructions(path))[:2]
        assert (argument, source) == ("ARG", "FROM")
        assert image == f"${{{name.partition('=')[0]}}}"

    @pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
    def test_nothing_runs_as_root(self, path: Path) -> None:
        users = [arguments for name, arguments in instructions(path) if name == "USER"]
        assert users[-1] == "1000:1000"
        last = [name for name, _ in instructions(path)]
        assert "RUN" not in last[last.index("USER") :]

    @pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
    def test_every_package_is_installed_by_its_hash(self, path: Path) -> None:
        installations = [
            command
            for name, arguments in instructions(path)
            for command in arguments.split("&&")
            if name == "RUN" and "pip" in command and " install " in command and "apt-get" not in command
        ]
        assert installations
        for command in installations:
            assert "--require-hashes" in command
            (lock,) = re.findall(r"--requirement /opt/trifuse/(?:locks/)?(\S+)", command)
            assert (ROOT / "locks" / lock).is_file()

    @pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
    def test_what_is_copied_is_there_and_not_ignored(self, path: Path) -> None:
        kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
        for name, arguments in instructions(path):
            if name != "COPY":
                continue
            *sources, _ = [word for word in arguments.split() if not word.startswith("--")]
            for source in sources:
                assert (ROOT / source).exists()
                assert any(source == line or source.startswith(f"{line}/") for line in kept)

    def test_the_server_has_no_torch_and_is_checked_by_inferences(self) -> None:
        found = dict(instructions(DOCKER / "server.Dockerfile"))
        command = json.loads(found["HEALTHCHECK"].partition("CMD ")[2])
        assert command == ["python3", "-m", "trifuse.serving.health"]
        assert (
            not {"torch", "onnxruntime", "onnxruntime-gpu", "transformers"} & locked("container.txt").keys()
        )


class TestPackages:
    @pytest.mark.parametrize("path", sorted((ROOT / "locks").glob("*.txt")), ids=lambda path: path.name)
    def test_a_lock_has_hashes_and_names_no_host(self, path: Path) -> None:
        for name, entry in locked(path.name).items():
            assert "--hash=sha256:" in entry, name
        assert "://" not in path.read_text()
        assert "index-url" not in path.read_text()

    def test_the_runtimes_for_cpu_and_gpu_are_never_mixed(self) -> None:
        assert [Requirement(line).name for line in EXTRAS["cpu"]] == ["onnxruntime"]
        assert [Requirement(line).name for line in EXTRAS["gpu"]] == ["onnxruntime-gpu", "tensorrt"]
        settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]
        assert settings["conflicts"] == [[{"extra": "cpu"}, {"extra": "gpu"}]]
        for name in ("development.txt", "server.txt"):
            assert "onnxruntime" in locked(name)
            assert "onnxruntime-gpu" not in locked(name)
        assert "onnxruntime-gpu" in locked("gpu.txt")
        assert "onnxruntime" not in locked("gpu.txt")

    def test_tensorrt_is_the_servers_and_comes_with_the_image(self) -> None:
        specifiers = {found.name: found.specifier for found in map(Requirement, EXTRAS["gpu"])}
        assert SERVER_TENSORRT in specifiers["tensorrt"]
        assert not [name for name in locked("gpu.txt") if name.startswith("tensorrt")]

    @pytest.mark.parametrize(
        ("file", "lock"),
        [("server-requirements.txt", "container.txt"), ("embedded-requirements.txt", "server.txt")],
    )
    def test_both_servers_have_what_the_shims_import(self, file: str, lock: str) -> None:
        wanted = set(requirements(DOCKER / "shim-requirements.txt"))
        assert wanted <= set(requirements(DOCKER / file))
        assert wanted <= locked(lock).keys()

    def test_the_shims_import_without_anything_else(self) -> None:
        command = [sys.executable, DOCKER / "import_shims.py"]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr
        shims = {path.parents[1].name for path in (ROOT / "model_repository").glob("*/1/model.py")}
        assert set(found.stdout.split()) == shims


class TestCompose:
    def test_there_is_a_service_for_each_kind_of_machine(self, services: dict[str, Any]) -> None:
        assert {name: service["profiles"] for name, service in services.items()} == {
            "cpu": ["cpu"],
            "gpu": ["gpu"],
            "build": ["build"],
        }

    def test_no_service_can_gain_privileges_or_change_its_image(self, services: dict[str, Any]) -> None:
        for service in services.values():
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]
            assert service["security_opt"] == ["no-new-privileges:true"]
            assert "privileged" not in service
            assert service["shm_size"]

    @pytest.mark.parametrize("name", ["cpu", "gpu"])
    def test_servers_are_checked_and_reached_from_this_machine_only(
        self, services: dict[str, Any], name: str
    ) -> None:
        service = services[name]
        assert service["healthcheck"]["test"] == ["CMD", "python3", "-m", "trifuse.serving.health"]
        assert len(service["ports"]) == 3
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        (models,) = [volume for volume in service["volumes"] if volume["target"] == "/models"]
        assert models["read_only"]

    def test_engines_are_kept_where_the_configurations_say(self, services: dict[str, Any]) -> None:
        assert CACHE in {volume["target"] for volume in services["gpu"]["volumes"]}

    def test_gpus_are_asked_for_where_they_are_used(self, services: dict[str, Any]) -> None:
        assert "deploy" not in services["cpu"]
        for name in ("gpu", "build"):
            (device,) = services[name]["deploy"]["resources"]["reservations"]["devices"]
            assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


class TestServe:
    @pytest.fixture
    def tools(self, tmp_path: Path) -> Path:
        """A folder of commands with a tritonserver that prints its arguments, and models to serve."""
        (tmp_path / "models" / "probe").mkdir(parents=True)
        (tmp_path / "models" / "probe" / "config.pbtxt").touch()
        self.put(tmp_path / "bin" / "tritonserver", 'printf "%s\\n" "$@"')
        return tmp_path / "bin"

    @staticmethod
    def put(path: Path, script: str) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    @staticmethod
    def serve(tools: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", DOCKER / "serve.sh", *arguments],
            env={
                "PATH": f"{tools}:/usr/bin:/bin",
                "TRIFUSE_REPOSITORY": str(tools.parent / "models"),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def test_models_are_loaded_explicitly_and_nothing_is_completed(self, tools: Path) -> None:
        found = self.serve(tools, "--log-verbose=1").stdout.splitlines()
        assert f"--model-repository={tools.parent / 'models'}" in found
        assert {"--model-control-mode=explicit", "--load-model=*", "--disable-auto-complete-config"} <= set(
            found
        )
        assert found[-1] == "--log-verbose=1"
        assert not [line for line in found if "model-config-name" in line]

    def test_administration_over_http_is_closed_with_another_key_every_time(self, tools: Path) -> None:
        keys = set()
        for _ in range(2):
            (line,) = [line for line in self.serve(tools).stdout.splitlines() if "http-restricted" in line]
            apis, _, key = line.partition("=")[2].partition(":")
            assert {"model-repository", "shared-memory"} <= set(apis.split(","))
            keys.add(key)
        assert len(keys) == 2

    @pytest.mark.parametrize("target", [GPU, TENSORRT])
    def test_a_target_chooses_the_configurations(self, tools: Path, target: str) -> None:
        self.put(tools / "nvidia-smi", "exit 0")
        found = self.serve(tools, TRIFUSE_TARGET=target).stdout.splitlines()
        assert f"--model-config-name={target}" in found

    @pytest.mark.parametrize("target", [GPU, TENSORRT])
    def test_a_machine_without_a_gpu_is_told(self, tools: Path, target: str) -> None:
        self.put(tools / "nvidia-smi", "exit 9")
        found = self.serve(tools, TRIFUSE_TARGET=target)
        assert found.returncode == 2
        assert f"TRIFUSE_TARGET is {target}, but this container sees no GPU" in found.stderr

    def test_an_unknown_target_is_refused(self, tools: Path) -> None:
        found = self.serve(tools, TRIFUSE_TARGET="tpu")
        assert found.returncode == 2
        assert "TRIFUSE_TARGET is 'tpu', expected cpu, gpu or tensorrt" in found.stderr

    def test_an_empty_repository_is_refused(self, tools: Path) -> None:
        found = self.serve(tools, TRIFUSE_REPOSITORY=str(tools))
        assert found.returncode == 2
        assert f"there are no models in {tools}" in found.stderr


def test_a_health_check_of_an_empty_repository_fails(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trifuse.serving.health", "--repository", tmp_path]
    found = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr.startswith("error: there is nothing to serve")
