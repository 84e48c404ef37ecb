"""NVIDIA's perf_analyzer: where its program comes from, what it reads, and what it says.

Source: https://github.com/triton-inference-server/perf_analyzer.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import platform
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tritonclient.utils import serialize_byte_tensor

from trifuse.artifacts import digest, write_file
from trifuse.errors import EnvironmentSetupError, ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

# Debian's and Ubuntu's package of the library that the wheels do not bring.
_PACKAGE = "libb64-0d"
_PERCENTILES = ("p50", "p90", "p95", "p99")
# It adds up the last three windows once they agree. Ours is one window of fixed length and the rounds show
# the spread, so that any three windows agree here.
_WINDOWS, _STABLE_PERCENT = 3, 999
_SET_UP_S = 60.0


@dataclass(frozen=True)
class PerfAnalyzer:
    """An installed perf_analyzer and the folders of the libraries that it needs."""

    program: Path
    libraries: tuple[Path, ...]

    def run(self, options: Mapping[str, object], timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run it with options and their values; the answer has its exit code and what it printed."""
        arguments = [str(part) for option in options.items() for part in option]
        return _run([str(self.program), *arguments], self.libraries, timeout_s)


def find_perf_analyzer(folder: Path, requirements: Path, uv: Path) -> PerfAnalyzer:
    """Find perf_analyzer in a folder, or install it there with uv from the requirements' wheels.

    Needs the network the first time. Raises EnvironmentSetupError.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise EnvironmentSetupError(
            "perf_analyzer cannot be had for this machine",
            got=f"{platform.system()} {platform.machine()}",
            expected="Linux x86_64, for which NVIDIA built it",
        )
    wheels, system = folder / "wheels", folder / "system"
    made = folder / "installed"
    if not made.is_file() or made.read_text(encoding="utf-8") != digest(requirements):
        _install(wheels, requirements, uv)
        write_file(made, digest(requirements))
    libraries = (wheels / "nvidia" / "cuda_runtime" / "lib", system / "usr" / "lib" / "x86_64-linux-gnu")
    found = PerfAnalyzer(wheels / "bin" / "perf_analyzer", libraries)
    if _missing(found):
        _extract_package(system)
    if missing := _missing(found):
        raise EnvironmentSetupError(
            "perf_analyzer lacks libraries",
            got=f"no {', '.join(missing)}",
            hint=f"apt-get install {_PACKAGE}",
        )
    return found


def input_data(payloads: Sequence[Mapping[str, NDArray[Any]]]) -> str:
    """Write payloads of one item each as perf_analyzer's input data: JSON, each tensor's bytes in base64.

    Source: https://github.com/triton-inference-server/perf_analyzer/blob/main/docs/input_data.md; BYTES
    carry their lengths, as on the wire.
    """
    steps = [{name: _tensor(value[0]) for name, value in payload.items()} for payload in payloads]
    return json.dumps({"data": steps})


def measure(
    analyzer: PerfAnalyzer, address: str, protocol: str, model: str, data: Path, clients: int, seconds: float
) -> dict[str, float]:
    """Let so many clients call a model for about so long: answers a second, percentiles in milliseconds.

    Raises ServerError when perf_analyzer fails.
    """
    report = data.with_suffix(".csv")
    options = {
        "-m": model,
        "-u": address,
        "-i": protocol,
        "-f": report,
        "--input-data": data,
        "--concurrency-range": clients,
        "--measurement-interval": round(seconds * 1000 / _WINDOWS),
        "--stability-percentage": _STABLE_PERCENT,
        "--max-trials": 2 * _WINDOWS,
    }
    done = analyzer.run(options, _SET_UP_S + 3 * seconds)
    if done.returncode or not report.is_file():
        raise ServerError(
            "perf_analyzer failed",
            got=" ".join((done.stdout + done.stderr).split())[-400:],
            hint="Where an answer takes long, measure for longer, with --seconds",
        )
    try:
        return read_report(report.read_text(encoding="utf-8"))
    finally:
        report.unlink()


def read_report(text: str) -> dict[str, float]:
    """Read the one row of perf_analyzer's CSV: `per_second` and percentiles in milliseconds.

    Raises ServerError for a report without it.
    """
    row = next(csv.DictReader(io.StringIO(text)), None)
    if row is None:
        raise ServerError("perf_analyzer reported nothing", got=repr(text[:200]))
    percentiles = {name: float(row[f"{name} latency"]) / 1000 for name in _PERCENTILES}
    return {"per_second": float(row["Inferences/Second"]), **percentiles}


def _tensor(value: NDArray[Any]) -> dict[str, Any]:
    content = serialize_byte_tensor(value).item() if value.dtype == object else value.tobytes()
    return {"content": {"b64": base64.b64encode(content).decode()}, "shape": list(value.shape)}


def _install(wheels: Path, requirements: Path, uv: Path) -> None:
    if not uv.is_file():
        raise EnvironmentSetupError(
            "the tool that installs is missing", got=f"no {uv}", hint="make environment"
        )
    options = ("--quiet", "--no-deps", "--verify-hashes", "--only-binary", ":all:")
    done = _run([str(uv), "pip", "install", *options, "--target", str(wheels), "-r", str(requirements)])
    if done.returncode:
        raise EnvironmentSetupError(
            "perf_analyzer could not be installed",
            got=done.stderr.strip()[-300:],
            hint="Its wheels come from the package index that uv is configured with",
        )


def _missing(found: PerfAnalyzer) -> list[str]:
    """List the shared libraries that the program needs and the machine does not find."""
    listed = _run(["ldd", str(found.program)], found.libraries).stdout.splitlines()
    return [line.split()[0] for line in listed if line.endswith("not found")]


def _extract_package(system: Path) -> None:
    """Fetch Debian's package and unpack it, without installing anything; does nothing without apt."""
    system.mkdir(parents=True, exist_ok=True)
    _run(["apt-get", "download", _PACKAGE], folder=system)
    for package in system.glob(f"{_PACKAGE}_*.deb"):
        _run(["dpkg-deb", "-x", package.name, "."], folder=system)


def _run(
    command: list[str],
    libraries: Sequence[Path] = (),
    timeout_s: float | None = None,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    paths = [str(path.resolve()) for path in libraries] + [os.environ.get("LD_LIBRARY_PATH", "")]
    environment = os.environ | {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, paths))}
    try:
        return subprocess.run(  # noqa: S603
            command,
            capture_output=True,
            text=True,
            env=environment,
            timeout=timeout_s,
            cwd=folder,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
