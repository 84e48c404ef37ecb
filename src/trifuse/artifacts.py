"""Stage folders, their manifests, and writes that are complete or absent."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from trifuse.errors import ArtifactError, ContractMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trifuse.contracts import SystemContract

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a stage made, from what, with which versions, and how good it is.

    `inputs` and `files` map names to SHA-256 digests; `sizes` are bytes.
    """

    system: str
    stage: str
    profile: str
    contract_hash: str
    inputs: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


def stage_folder(root: Path, system: str, stage: str) -> Path:
    """Name the folder of a stage below the artifact root."""
    return root / system / stage


def digest(path: Path) -> str:
    """Hash a file with SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_file(path: Path, content: bytes | str) -> None:
    """Write a file so that readers see the old content or the new, never a part."""
    data = content.encode() if isinstance(content, str) else content
    with new_file(path, "wb") as file:
        file.write(data)


@contextlib.contextmanager
def new_file(path: Path, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """Yield a file, of bytes or of UTF-8 text, that takes the place of `path` when the block succeeds.

    Text keeps the line ends that are written. A block that raises, or a process killed inside it, leaves
    `path` as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        str(mode),
        encoding="utf-8" if mode == "w" else None,
        newline="" if mode == "w" else None,
        dir=path.parent,
        prefix=f".{path.name}.",
        delete=False,
    ) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink()
            raise


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the place of `target` when the block succeeds.

    A block that raises, or a process killed inside it, leaves `target` as it was; what a killed process had
    begun is removed by the next call.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target)
    work = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.{os.getpid()}."))
    work.chmod(0o755)
    try:
        yield work
        if target.exists():
            _exchange(work, target)
        else:
            work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _remove_abandoned(target: Path) -> None:
    for folder in target.parent.glob(f".{target.name}.*.*"):
        owner = folder.name.removeprefix(f".{target.name}.").partition(".")[0]
        if not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _exchange(first: Path, second: Path) -> None:
    """Swap two folders in one step: a plain rename cannot replace a folder that is not empty.

    Raises ArtifactError on a file system that cannot, such as some network shares.
    """
    at_working_directory, exchange = -100, 2
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(at_working_directory, bytes(first), at_working_directory, bytes(second), exchange) != 0:
        raise ArtifactError(
            f"{second} cannot be replaced in one step",
            got=os.strerror(ctypes.get_errno()),
            expected="a local file system (ext4, xfs, btrfs, tmpfs)",
            hint="Choose another folder with --artifacts",
        )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Record the folder's files with digests and sizes in its manifest."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    content = asdict(manifest) | {
        "files": {str(path.relative_to(folder)): digest(path) for path in paths},
        "sizes": {str(path.relative_to(folder)): path.stat().st_size for path in paths},
        "versions": _installed_versions(),
    }
    write_file(folder / MANIFEST, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Read a stage's manifest. Raises ArtifactError when the stage was not run or the file is damaged."""
    path = folder / MANIFEST
    try:
        return Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ArtifactError(
            "this stage has not been run", got=f"no {path}", hint=f"Run the {folder.name} stage first"
        ) from None
    except (ValueError, TypeError) as error:
        raise ArtifactError(
            f"the manifest {path} cannot be read", got=error, hint="Run the stage again"
        ) from error


def verify(folder: Path, contract: SystemContract) -> Manifest:
    """Read a manifest and check its contract and every file's digest.

    Raises ContractMismatchError or ArtifactError.
    """
    manifest = read_manifest(folder)
    if manifest.contract_hash != contract.hash:
        raise ContractMismatchError(
            f"{folder} was made under another contract",
            got=f"{manifest.profile} {manifest.contract_hash}",
            expected=f"{contract.profile} {contract.hash}",
            hint="Run the stages again from training",
        )
    for name, expected in manifest.files.items():
        path = folder / name
        found = digest(path) if path.is_file() else "no file"
        if found != expected:
            raise ArtifactError(
                f"{path} is not what its stage wrote",
                got=found,
                expected=expected,
                hint="Run the stage again",
            )
    return manifest


def _installed_versions() -> dict[str, str]:
    names = ("trifuse", "numpy", "pillow", "tokenizers", "torch", "transformers", "onnx", "onnxruntime")
    found = {}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
