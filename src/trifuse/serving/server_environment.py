"""What the embedded Triton needs from this machine, checked before it is started."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse.errors import EnvironmentSetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "TRIFUSE_SERVER_ENVIRONMENT"
SETUP_HINT = (
    "Run `make serve`, which makes the server environment, "
    "or install docker/embedded-requirements.txt into a virtual environment of its own "
    f"and name it in {VARIABLE}"
)

_LDD = "/usr/bin/ldd"
_MINIMUM_GLIBC = (2, 35)
_PACKAGES = ("nvidia-pytriton", "numpy", "onnxruntime", "pillow", "tokenizers")
_DEBIAN_PACKAGES = {
    "libexpat.so.1": "libexpat1",
    "libgcc_s.so.1": "libgcc-s1",
    "libgomp.so.1": "libgomp1",
    "libstdc++.so.6": "libstdc++6",
    "libz.so.1": "zlib1g",
}
_PROBE = """
import importlib.metadata, json, sys, sysconfig
versions = {}
for name in sys.argv[1:]:
    try:
        versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps({
    "python": "%d.%d" % sys.version_info[:2],
    "versions": versions,
    "site_packages": sysconfig.get_path("platlib"),
    "library_folders": [sysconfig.get_config_var("LIBDIR"), sys.base_prefix + "/lib"],
}))
"""


@dataclass(frozen=True)
class _Probe:
    python: str
    versions: dict[str, str]
    site_packages: str
    library_folders: list[str]


@dataclass(frozen=True)
class ServerEnvironment:
    """A virtual environment that can run tritonserver and its Python backends."""

    root: Path
    python_version: str
    triton: Path
    bundled_libraries: Path
    libpython: Path | None

    @property
    def server_binary(self) -> Path:
        """The tritonserver executable."""
        return self.triton / "bin" / "tritonserver"

    @property
    def stub_binary(self) -> Path:
        """The process that runs a Python model, built for this environment's Python."""
        return self.triton / "python_backend_stubs" / self.python_version / "triton_python_backend_stub"

    @property
    def python_backend(self) -> Path:
        """The folder with the Python backend's library and its utils module."""
        return self.triton / "backends" / "python"

    def missing_libraries(self) -> tuple[str, ...]:
        """Name the shared libraries that the server or its stub cannot find."""
        folders = [self.bundled_libraries, *([self.libpython.parent] if self.libpython else [])]
        environment = os.environ | {"LD_LIBRARY_PATH": os.pathsep.join(map(str, folders))}
        binaries = (self.server_binary, self.stub_binary, self.python_backend / "libtriton_python.so")
        found = subprocess.run(  # noqa: S603
            [_LDD, *map(str, binaries)], env=environment, capture_output=True, text=True, check=False
        )
        lines = (line.strip() for line in found.stdout.splitlines())
        return tuple(sorted({line.split()[0] for line in lines if line.endswith("=> not found")}))


def default_location() -> Path:
    """Name the server environment to use when nobody names another: the variable's, or `make`'s."""
    return Path(os.environ.get(VARIABLE) or ".venv-server")


def inspect(root: Path) -> ServerEnvironment:
    """Check the machine and the server environment at `root`.

    Raises EnvironmentSetupError that names what is missing and the command that brings it.
    """
    _check_platform()
    found = _probe(root)
    _check_packages(root, found)
    site_packages = Path(found.site_packages)
    environment = ServerEnvironment(
        root=root,
        python_version=found.python,
        triton=site_packages / "pytriton" / "tritonserver",
        bundled_libraries=site_packages / "nvidia_pytriton.libs",
        libpython=_find_libpython(found),
    )
    if not environment.stub_binary.is_file():
        raise EnvironmentSetupError(
            "Triton's Python backend has no build for this Python",
            got=f"Python {found.python} in {root}",
            expected="Python 3.11 or 3.12",
            hint=SETUP_HINT,
        )
    missing = environment.missing_libraries()
    if missing:
        raise missing_libraries_error(missing)
    return environment


def _check_platform() -> None:
    hint = "Run NVIDIA's container instead of the embedded server"
    machine = f"{platform.system()} {platform.machine()}"
    if machine != "Linux x86_64":
        raise EnvironmentSetupError(
            "the embedded Triton cannot run on this machine", got=machine, expected="Linux x86_64", hint=hint
        )
    library = _c_library()
    name, _, version = library.partition(" ")
    if name != "glibc" or tuple(map(int, version.split("."))) < _MINIMUM_GLIBC:
        raise EnvironmentSetupError(
            "the embedded Triton cannot run with this C library",
            got=library,
            expected="glibc 2.35 or newer (Debian 12, Ubuntu 22.04)",
            hint=hint,
        )


def _c_library() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "unknown"
    except (ValueError, OSError):
        return "another library than glibc"


def _probe(root: Path) -> _Probe:
    python = root / "bin" / "python"
    if not python.is_file():
        raise EnvironmentSetupError(
            "the server environment is missing",
            got=f"no {python}",
            expected="a virtual environment",
            hint=SETUP_HINT,
        )
    # Isolated, or this process's PYTHONPATH would decide what the environment seems to hold.
    command = [str(python), "-I", "-c", _PROBE, *_PACKAGES]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if answer.returncode != 0:
        raise EnvironmentSetupError(
            f"the Python of the server environment {root} does not run",
            got=answer.stderr.strip().splitlines()[-1:],
            hint=SETUP_HINT,
        )
    return _Probe(**json.loads(answer.stdout))


def _check_packages(root: Path, found: _Probe) -> None:
    missing = [name for name in _PACKAGES if name not in found.versions]
    if missing:
        raise EnvironmentSetupError(
            f"the server environment {root} lacks packages", got=f"no {', '.join(missing)}", hint=SETUP_HINT
        )
    # With numpy 2 this release's ensembles fail with "Expected N, got 0".
    if int(found.versions["numpy"].partition(".")[0]) >= 2:
        raise EnvironmentSetupError(
            f"the server environment {root} has a numpy that Triton's Python backend cannot use",
            got=f"numpy {found.versions['numpy']}",
            expected="numpy 1.26",
            hint=SETUP_HINT,
        )


def _find_libpython(found: _Probe) -> Path | None:
    """Look for the shared library beside the interpreter; without one the system's is used."""
    name = f"libpython{found.python}.so.1.0"
    candidates = (Path(folder) / name for folder in found.library_folders if folder)
    return next((path for path in candidates if path.is_file()), None)


def missing_libraries_error(missing: Sequence[str]) -> EnvironmentSetupError:
    """Say which shared libraries are missing and which Debian packages bring them."""
    packages = [package for package in map(_debian_package, missing) if package]
    return EnvironmentSetupError(
        "tritonserver needs system libraries that are not installed",
        got=f"no {', '.join(missing)}",
        hint=f"On Debian or Ubuntu run `apt-get install {' '.join(packages)}`" if packages else None,
    )


def _debian_package(library: str) -> str | None:
    if library.startswith("libpython"):
        return library.partition(".so")[0]
    return _DEBIAN_PACKAGES.get(library)
