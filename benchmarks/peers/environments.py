"""An environment a peer, made from its lock in an artifact folder: their dependencies do not go together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from trifuse.artifacts import digest, write_file
from trifuse.errors import EnvironmentSetupError

if TYPE_CHECKING:
    from benchmarks.peers.lines import Peer

ROOT = Path(__file__).resolve().parent.parent.parent
_UV = ROOT / ".venv-tools" / "bin" / "uv"


def python_of(peer: Peer, folder: Path) -> Path:
    """Name the Python that runs a peer; an overlay runs this one."""
    return Path(sys.executable) if peer.overlay else _place(peer, folder) / "bin" / "python"


def variables(peer: Peer, folder: Path) -> dict[str, str]:
    """Give a peer's processes this library and, over this environment, the overlay."""
    paths = [str(ROOT), str(ROOT / "src")]
    if peer.overlay:
        paths.append(str(_place(peer, folder).resolve()))
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), str(peer.threads))
    quiet = {"TOKENIZERS_PARALLELISM": "false", "BENTOML_DO_NOT_TRACK": "true", "PYTHONUNBUFFERED": "1"}
    home = {"BENTOML_HOME": str((folder / "bentoml" / "home").resolve())}
    return os.environ | one_thread | quiet | home | {"PYTHONPATH": os.pathsep.join(paths)}


def prepare(peer: Peer, folder: Path) -> None:
    """Make a peer's environment if it is missing or its lock has changed. Raises EnvironmentSetupError."""
    lock = Path(__file__).parent / "locks" / f"{peer.name}.txt"
    place = _place(peer, folder)
    made = place / ".lock"
    if made.is_file() and made.read_text(encoding="utf-8") == digest(lock):
        return
    if not _UV.is_file():
        raise EnvironmentSetupError(
            "the tool that makes environments is missing", got=f"no {_UV}", hint="Run: make environment"
        )
    if peer.overlay:
        _uv("pip", "install", "--quiet", "--target", str(place), "--no-deps", "-r", str(lock))
    else:
        _uv("venv", "--quiet", "--allow-existing", "--python", sys.executable, str(place))
        _uv("pip", "sync", "--quiet", "--python", str(place / "bin" / "python"), str(lock))
    write_file(made, digest(lock))


def versions(peer: Peer, folder: Path) -> dict[str, str]:
    """Tell the versions of what matters in a peer's environment."""
    script = (
        "import importlib.metadata\n"
        "for one in importlib.metadata.distributions(): print(one.metadata['Name'].lower(), one.version)"
    )
    shown = {"fastapi", "uvicorn", "litserve", "bentoml", "mlserver", "onnxruntime", "numpy", "torch"}
    found = subprocess.run(  # noqa: S603
        [str(python_of(peer, folder)), "-c", script],
        env=variables(peer, folder),
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (line.split(" ", 1) for line in found.stdout.splitlines())
    return {name: version for name, version in pairs if name in shown}


def _place(peer: Peer, folder: Path) -> Path:
    return folder / "environments" / peer.name


def _uv(*arguments: str) -> None:
    done = subprocess.run([str(_UV), *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise EnvironmentSetupError(
            "a peer's environment could not be made",
            got=done.stderr.strip()[-300:],
            hint="The packages come from the index that uv is configured with",
        )
