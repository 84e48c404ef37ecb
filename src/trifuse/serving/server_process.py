"""The folder, the command line and the environment variables that the embedded tritonserver runs with."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trifuse
from trifuse.errors import ConfigurationError

if TYPE_CHECKING:
    from trifuse.serving.server_environment import ServerEnvironment

STOP_GRACE_S = 10

_STUB_TIMEOUT_S = 120
# Tensors of more than 128 kB would otherwise come from fresh pages of the kernel, every time anew: a third of
# what a request costs here (decision 0018). glibc, https://man7.org/linux/man-pages/man3/mallopt.3.html.
_KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(64 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_TOP_PAD_": str(16 << 20),
}
_BACKENDS = Path(__file__).parent / "backends"


@dataclass(frozen=True)
class Endpoint:
    """One address and the three ports that the server listens on."""

    address: str
    http_port: int
    grpc_port: int
    metrics_port: int


def make_runtime_folder() -> Path:
    """Make the temporary folder that one server runs from. Raises ConfigurationError."""
    try:
        folder = tempfile.gettempdir()
        parent = folder if _is_plain(folder) else "/tmp"  # noqa: S108
        return Path(tempfile.mkdtemp(prefix="trifuse-triton-", dir=parent))
    except OSError as error:
        raise ConfigurationError(
            "there is no folder for temporary files that Triton can use",
            got=error,
            hint="Set TMPDIR to a writable folder whose path has no spaces",
        ) from error


def link_repository(runtime: Path, repository: Path) -> Path:
    """Return a path of the repository that the Python backend can pass to its stubs."""
    path = repository.resolve()
    if _is_plain(str(path)):
        return path
    link = runtime / "repository"
    link.symlink_to(path)
    return link


def _is_plain(path: str) -> bool:
    # The Python backend starts its stubs through a shell without quoting paths, then waits for them in vain.
    return shlex.quote(path) == path


def assemble(runtime: Path, environment: ServerEnvironment) -> None:
    """Lay out backends, library and libpython as tritonserver and its stubs look for them.

    The stubs run an isolated Python that ignores PYTHONPATH but looks beside its utils module: the very
    `trifuse` that runs here is put there, and nothing else of this process's environment.
    """
    # Copies, because tritonserver refuses a backend that a link leads out of the backend directory.
    shutil.copytree(_BACKENDS, runtime / "backends", ignore=shutil.ignore_patterns("__pycache__"))
    python = runtime / "backends" / "python"
    shutil.copytree(environment.python_backend, python, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(environment.stub_binary, python)
    (python / "trifuse").symlink_to(Path(trifuse.__path__[0]).resolve())
    (runtime / "lib").mkdir()
    if environment.libpython:
        (runtime / "lib" / environment.libpython.name).symlink_to(environment.libpython)


def command(
    runtime: Path, environment: ServerEnvironment, repository: Path, endpoint: Endpoint, shared_memory: str
) -> list[str]:
    """Write the command line; `shared_memory` begins the names of the stubs' shared memory segments."""
    backends = ("python", *(backend.name for backend in _BACKENDS.iterdir()))
    return [
        str(environment.server_binary),
        f"--model-repository={repository}",
        f"--backend-directory={runtime / 'backends'}",
        f"--cache-directory={environment.triton / 'caches'}",
        "--model-control-mode=explicit",
        "--load-model=*",
        # A configuration that only this server could complete would fail in another.
        "--disable-auto-complete-config",
        f"--http-address={endpoint.address}",
        f"--http-port={endpoint.http_port}",
        f"--grpc-address={endpoint.address}",
        f"--grpc-port={endpoint.grpc_port}",
        "--allow-metrics=true",
        f"--metrics-address={endpoint.address}",
        f"--metrics-port={endpoint.metrics_port}",
        f"--exit-timeout-secs={STOP_GRACE_S // 2}",
        *(f"--backend-config={name},shm-region-prefix-name={shared_memory}" for name in backends),
        *(f"--backend-config={name},stub-timeout-seconds={_STUB_TIMEOUT_S}" for name in backends),
    ]


def environment_variables(runtime: Path, environment: ServerEnvironment) -> dict[str, str]:
    """Give the server its own Python, and one thread to every library that would take all cores."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LD_"))}
    return inherited | {
        # The stubs find their virtual environment by the first `python3` on the path.
        "PATH": os.pathsep.join([str(environment.root.absolute() / "bin"), os.environ.get("PATH", "")]),
        "LD_LIBRARY_PATH": os.pathsep.join([str(runtime / "lib"), str(environment.bundled_libraries)]),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        **_KEEP_MEMORY,
    }
