"""MLPerf's LoadGen against a running server. Source: https://github.com/mlcommons/inference/tree/master/loadgen."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import mlperf_loadgen
import numpy as np

from trifuse.benchmarking.crew import Crew
from trifuse.benchmarking.latencies import PERCENTILES
from trifuse.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Scenario = Literal["SingleStream", "Server", "Offline"]
SCENARIOS: tuple[Scenario, ...] = ("SingleStream", "Server", "Offline")
SUMMARY, ACCURACY_LOG = "mlperf_log_summary.txt", "mlperf_log_accuracy.json"

_NS_PER_MS = 1e6
_SERVER_PERCENTILE = 0.99
# So many queries of the Server scenario may be under way; LoadGen counts from when a query was scheduled.
_MOST_UNDER_WAY = 256
_FIGURE = re.compile(r"^(?P<name>[^:\n]+?)\s*:\s*(?P<value>[\d.]+)$", re.MULTILINE)
_THROUGHPUT = ("QPS w/ loadgen overhead", "Completed samples per second", "Samples per second")
_LATENCIES = {f"{percentile}.00 percentile latency (ns)": f"p{percentile}" for percentile in PERCENTILES}
_LATENCIES["Max latency (ns)"] = "max"


@dataclass(frozen=True)
class Aim:
    """What a scenario asks for: the least seconds and queries, the calls a second (expected of Offline, sent
    by Server), and the most that Server's p99 may be.
    """

    scenario: Scenario
    seconds: float
    queries: int
    rate: float
    limit_ms: float


def run_performance(
    call: Callable[[int], object], samples: int, aim: Aim, clients: int, folder: Path
) -> dict[str, Any]:
    """Let LoadGen measure a scenario over so many samples; returns what its summary says.

    `call` gets a sample's number; `clients` calls at once are made for Offline. LoadGen's logs are written
    into `folder`. Raises what a call raises.
    """
    under_way = {"SingleStream": 1, "Server": _MOST_UNDER_WAY, "Offline": clients}[aim.scenario]
    _run(call, samples, _settings(aim), under_way, folder)
    return read_summary((folder / SUMMARY).read_text(encoding="utf-8"))


def run_accuracy(call: Callable[[int], bytes], samples: int, clients: int, folder: Path) -> dict[int, bytes]:
    """Let LoadGen ask for every sample once; returns the answers that it has logged, by sample.

    Raises what a call raises.
    """
    settings = _settings(Aim("Offline", 0.0, 1, 1.0, 1.0))
    settings.mode = mlperf_loadgen.TestMode.AccuracyOnly
    _run(call, samples, settings, clients, folder)
    return read_accuracy_log((folder / ACCURACY_LOG).read_text(encoding="utf-8"))


def read_summary(text: str) -> dict[str, Any]:
    """Read a LoadGen summary: `result` is VALID or INVALID, `unmet` says why not, latencies are in ms.

    Raises ServerError for a run that did not finish.
    """
    result = re.search(r"^Result is : (\w+)$", text, re.MULTILINE)
    if result is None:
        raise ServerError("LoadGen did not finish", got=text[-200:] or "an empty summary")
    values = {match["name"]: float(match["value"]) for match in _FIGURE.finditer(text)}
    throughput = next(values[name] for name in _THROUGHPUT if name in values)
    latencies_ms = {short: values[name] / _NS_PER_MS for name, short in _LATENCIES.items()}
    unmet = re.findall(r"^ +(.+?) satisfied ?: NO$", text, re.MULTILINE | re.IGNORECASE)
    return {"result": result[1], "unmet": unmet, "per_second": throughput, **latencies_ms}


def read_accuracy_log(text: str) -> dict[int, bytes]:
    """Read the answers from LoadGen's log of the accuracy mode, by sample. Raises ServerError."""
    try:
        return {int(entry["qsl_idx"]): bytes.fromhex(entry["data"]) for entry in json.loads(text)}
    except (ValueError, KeyError, TypeError) as error:
        raise ServerError("LoadGen's log of answers cannot be read", got=error) from error


def _settings(aim: Aim) -> Any:
    settings = mlperf_loadgen.TestSettings()
    settings.scenario = getattr(mlperf_loadgen.TestScenario, aim.scenario)
    settings.mode = mlperf_loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = round(aim.seconds * 1000)
    settings.min_query_count = 1 if aim.scenario == "Offline" else aim.queries
    settings.offline_expected_qps = settings.server_target_qps = aim.rate
    settings.server_target_latency_ns = round(aim.limit_ms * _NS_PER_MS)
    settings.server_target_latency_percentile = _SERVER_PERCENTILE
    return settings


def _run(call: Callable[[int], object], samples: int, settings: Any, under_way: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    output = mlperf_loadgen.LogOutputSettings()
    output.outdir = str(folder)
    log = mlperf_loadgen.LogSettings()
    log.log_output, log.enable_trace = output, False
    answering = _Answering(call)
    with Crew(answering.answer, under_way) as crew:

        def issue(queries: Sequence[Any]) -> None:
            for query in queries:
                crew.give(query)

        system = mlperf_loadgen.ConstructSUT(issue, lambda: None)
        library = mlperf_loadgen.ConstructQSL(samples, samples, lambda _: None, lambda _: None)
        try:
            mlperf_loadgen.StartTestWithLogSettings(system, library, settings, log)
        finally:
            mlperf_loadgen.DestroyQSL(library)
            mlperf_loadgen.DestroySUT(system)
    if answering.error:
        raise answering.error


class _Answering:
    """Answers LoadGen's queries with calls. LoadGen waits for every answer, so that a failure is kept for
    later, and nothing is called after it.
    """

    def __init__(self, call: Callable[[int], object]) -> None:
        self._call = call
        self.error: Exception | None = None

    def answer(self, query: Any) -> None:
        """Make one call and tell LoadGen; only bytes are passed on to it."""
        found = None
        if not self.error:
            try:
                found = self._call(query.index)
            except Exception as error:  # noqa: BLE001
                self.error = error
        data = np.frombuffer(found if isinstance(found, bytes) else b"", np.uint8)
        response = mlperf_loadgen.QuerySampleResponse(query.id, data.ctypes.data, data.size)
        mlperf_loadgen.QuerySamplesComplete([response])
