"""What a server says of itself: where its time went, step by step, and what its processes took."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trifuse.client import TritonClient

PHASES = ("queue", "compute_input", "compute_infer", "compute_output")
_STUB = "triton_python_backend_stub"
_REPOSITORY_OPTION = "--model-repository="


def step_times(triton: TritonClient, models: Iterable[str]) -> dict[str, dict[str, float]]:
    """Read Triton's counters of models since it started: inferences, executions, seconds in each phase."""
    return {model: _counters(triton.statistics(model)) for model in models}


def mean_step_ms(
    before: Mapping[str, Mapping[str, float]], after: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Tell what an inference took on average between two readings, by step and phase, and the mean batch."""
    found = {}
    for model, counters in after.items():
        gained = {name: value - before[model][name] for name, value in counters.items()}
        inferences = gained["inferences"]
        if inferences:
            phases = {phase: gained[phase] / inferences * 1000 for phase in PHASES}
            found[model] = phases | {"batch": inferences / max(gained["executions"], 1)}
    return found


def processes_at(address: str) -> list[psutil.Process]:
    """Find the processes of the server at host:port; none if it is on another machine."""
    host, _, port = address.rpartition(":")
    return server_processes(int(port)) if _is_here(host) else []


def server_processes(port: int) -> list[psutil.Process]:
    """Find the processes of a server on this machine that listens on a port; none if nobody does."""
    listening = (one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN)
    pid = next((one.pid for one in listening if one.laddr.port == port and one.pid), None)
    if pid is None:
        return []
    server = psutil.Process(pid)
    return [server, *server.children(recursive=True)]


def repository_of(processes: Sequence[psutil.Process]) -> Path | None:
    """Read from a server's command line which repository it serves; None if it does not say."""
    arguments = (one for process in processes[:1] for one in process.cmdline())
    named = (one for one in arguments if one.startswith(_REPOSITORY_OPTION))
    found = next(named, None)
    return None if found is None else Path(found.removeprefix(_REPOSITORY_OPTION))


def taken_by(processes: Iterable[psutil.Process]) -> dict[str, dict[str, float]]:
    """Tell what a server and its workers have taken: seconds of processors, megabytes of their own memory.

    Workers of the Python backend are named after their model, and those of one model are added up.
    """
    found: dict[str, dict[str, float]] = {}
    for process in processes:
        try:
            times, memory = process.cpu_times(), process.memory_full_info()
            name = _worker(process)
        except psutil.NoSuchProcess:
            continue
        row = found.setdefault(name, {"cpu_s": 0.0, "memory_mb": 0.0})
        row["cpu_s"] += times.user + times.system
        row["memory_mb"] += memory.uss / 1e6
    return found


def taken(processes: Iterable[psutil.Process]) -> dict[str, float]:
    """Sum up what processes have taken: seconds of processors, and megabytes of memory of their own."""
    rows = taken_by(processes).values()
    return {name: sum((row[name] for row in rows), 0.0) for name in ("cpu_s", "memory_mb")}


def use(
    before: Mapping[str, Mapping[str, float]], after: Mapping[str, Mapping[str, float]], elapsed_s: float
) -> dict[str, Any]:
    """Tell what a server and its workers took between two readings: mean cores, and memory at the end."""
    workers = {}
    for name, row in after.items():
        cpu_s = row["cpu_s"] - before.get(name, {"cpu_s": 0.0})["cpu_s"]
        workers[name] = {"cores": cpu_s / elapsed_s, "memory_mb": row["memory_mb"]}
    if not workers:
        return {}
    cores, memory_mb = (sum(row[name] for row in workers.values()) for name in ("cores", "memory_mb"))
    return {"server_cores": cores, "server_memory_mb": memory_mb, "workers": workers}


def _worker(process: psutil.Process) -> str:
    command = process.cmdline()
    if process.name().startswith(_STUB[:15]) and len(command) > 1:
        return Path(command[1]).parent.parent.name
    return str(process.name())


def _is_here(host: str) -> bool:
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host.strip("[]"), None)}
    except OSError:
        return False
    own = {one.address for addresses in psutil.net_if_addrs().values() for one in addresses}
    return all(address in own or ipaddress.ip_address(address).is_loopback for address in found)


def _counters(statistics: Mapping[str, Any]) -> dict[str, float]:
    """Add up the versions of a model."""
    found = dict.fromkeys(("inferences", "executions", *PHASES), 0.0)
    for version in statistics["model_stats"]:
        found["inferences"] += float(version.get("inference_count", 0))
        found["executions"] += float(version.get("execution_count", 0))
        for phase in PHASES:
            found[phase] += float(version["inference_stats"].get(phase, {}).get("ns", 0)) / 1e9
    return found
