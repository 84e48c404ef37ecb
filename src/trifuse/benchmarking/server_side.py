"""What a server says of itself: where its time went, step by step, and what its processes took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trifuse.client import TritonClient

_PHASES = ("queue", "compute_input", "compute_infer", "compute_output")


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
            phases = {phase: gained[phase] / inferences * 1000 for phase in _PHASES}
            found[model] = phases | {"batch": inferences / max(gained["executions"], 1)}
    return found


def server_processes(port: int) -> list[psutil.Process]:
    """Find the processes of a server on this machine that listens on a port; none if it is elsewhere."""
    listening = (one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN)
    pid = next((one.pid for one in listening if one.laddr.port == port and one.pid), None)
    if pid is None:
        return []
    server = psutil.Process(pid)
    return [server, *server.children(recursive=True)]


def taken(processes: Iterable[psutil.Process]) -> dict[str, float]:
    """Sum up what processes have taken: seconds of processors, and megabytes of memory of their own."""
    cpu_s = memory_mb = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
            cpu_s += times.user + times.system
            memory_mb += process.memory_full_info().uss / 1e6
        except psutil.NoSuchProcess:
            continue
    return {"cpu_s": cpu_s, "memory_mb": memory_mb}


def _counters(statistics: Mapping[str, Any]) -> dict[str, float]:
    """Add up the versions of a model."""
    found = dict.fromkeys(("inferences", "executions", *_PHASES), 0.0)
    for version in statistics["model_stats"]:
        found["inferences"] += float(version.get("inference_count", 0))
        found["executions"] += float(version.get("execution_count", 0))
        for phase in _PHASES:
            found[phase] += float(version["inference_stats"].get(phase, {}).get("ns", 0)) / 1e9
    return found
