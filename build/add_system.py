"""Begin a system of your own: `python build/add_system.py NAME` writes it, renders its models, and tries it.

The new system looks at windows of video, sound and text and tells whether something moves. It is a folder in
`src/trifuse/systems/` and a few in `model_repository/`, and no other file changes. Unless `--only-write` is
given, its smoke profile is then generated, trained, exported, published, served and measured.
"""

from __future__ import annotations

import argparse
import keyword
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from trifuse import systems
from trifuse.artifacts import new_folder, write_file
from trifuse.command_line import run
from trifuse.errors import ConfigurationError, TrifuseError
from trifuse.serving.probe import own_server
from trifuse.serving.server_environment import default_location

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = Path(__file__).resolve().parent / "template"
_ITEMS = 120

console = Console()


def main() -> None:
    """Write the system, then train and serve its smoke profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="lower-case letters, such as traffic")
    parser.add_argument("--only-write", action="store_true", help="do not train and serve it")
    options = parser.parse_args()
    write_system(options.name)
    script("build/render_repository.py", options.name)
    if not options.only_write:
        with tempfile.TemporaryDirectory() as folder:
            try_out(options.name, Path(folder))


def try_out(name: str, folder: Path) -> None:
    """Generate a little data, train, export, publish, serve, and measure through the server."""
    data, artifacts, repository = folder / "data", folder / "artifacts", folder / "artifacts/model_repository"
    script("build/generate.py", name, "--output", data, "--items", _ITEMS)
    script("build/train.py", name, "--profile", "smoke", "--data", data, "--artifacts", artifacts)
    script("build/export_onnx.py", name, "--artifacts", artifacts)
    script("build/publish.py", name, "--artifacts", artifacts)
    with own_server(repository, systems.contract(name, "smoke"), default_location()) as server:
        script("benchmarks/quality.py", name, "--data", data, "--url", server.grpc_url)


def write_system(name: str) -> None:
    """Copy the template under a new name. Raises ConfigurationError for a name that cannot be."""
    if not name.isidentifier() or not name.islower() or keyword.iskeyword(name):
        raise ConfigurationError("this is no name for a system", got=name, expected="letters such as traffic")
    if name in systems.available():
        raise ConfigurationError("there is such a system", got=name, hint="Choose another name")
    with new_folder(ROOT / "src" / "trifuse" / "systems" / name) as folder:
        for module in sorted(TEMPLATE.glob("*.py")):
            write_file(folder / module.name, renamed(module.read_text(encoding="utf-8"), name))
    shim = ROOT / "model_repository" / f"{name}_preprocess" / "1" / "model.py"
    write_file(shim, renamed(_SHIM, name))
    console.print(f"wrote {folder} and {shim}", highlight=False)


def renamed(text: str, name: str) -> str:
    """Put the system's name in the place of the template's."""
    return text.replace("template", name).replace("Template", name.title().replace("_", ""))


def script(*command: object) -> None:
    """Run one of the project's commands. Raises TrifuseError when it fails."""
    arguments = [sys.executable, *map(str, command)]
    console.print(f"[bold cyan]$ {' '.join(arguments[1:])}[/]", soft_wrap=True, highlight=False)
    if subprocess.run(arguments, cwd=ROOT, check=False).returncode:  # noqa: S603
        raise TrifuseError(f"{command[0]} failed", hint="Its message above says why")


_SHIM = '''"""Template preprocessing as a Triton model."""

from trifuse.serving.python_backend import PreprocessModel


class TritonPythonModel(PreprocessModel):
    """Decodes, samples and encodes windows of video, sound and text."""

    system = "template"
'''


if __name__ == "__main__":
    run(main)
