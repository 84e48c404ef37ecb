"""Loads and what they find, on calls whose times are known."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import threading
import time
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.perf_analyzer import FIGURES, compare

from trifuse.benchmarking.crew import Crew
from trifuse.benchmarking.latencies import Latencies
from trifuse.benchmarking.load_page import page
from trifuse.benchmarking.load_plot import load_png
from trifuse.benchmarking.loadgen import (
    SCENARIOS,
    Aim,
    Scenario,
    read_summary,
    run_accuracy,
    run_performance,
)
from trifuse.benchmarking.logged_answers import Replayer, decode_answer, encode_answer, largest_difference
from trifuse.benchmarking.loops import Load, arrivals, closed_loop, open_loop
from trifuse.benchmarking.payloads import read_payloads
from trifuse.benchmarking.perf_analyzer import find_perf_analyzer, input_data, read_report
from trifuse.benchmarking.rate_search import throughput_at
from trifuse.benchmarking.server_side import mean_step_ms, processes_at, use
from trifuse.client import Answer
from trifuse.client.encoding import bytes_tensor
from trifuse.contracts import EnsembleSpec, TensorSpec
from trifuse.errors import EnvironmentSetupError, InputError, RequestError, ServerError


class OneAtATime:
    """Answers one call after the other, each in so many seconds, and stalls once."""

    def __init__(self, seconds: float, stall_s: float = 0.0) -> None:
        self._seconds, self._stall_s = seconds, stall_s
        self._busy = threading.Lock()
        self._began_s = time.perf_counter()

    def __call__(self, number: int) -> None:
        with self._busy:
            if self._stall_s and time.perf_counter() - self._began_s > 0.5:
                time.sleep(self._stall_s)
                self._stall_s = 0.0
            time.sleep(self._seconds)


def test_percentiles_by_hand() -> None:
    latencies = Latencies()
    for milliseconds in range(1, 101):
        latencies.add(milliseconds / 1000)
    found = latencies.summary_ms()
    assert found == {
        name: pytest.approx(value, rel=2e-3)
        for name, value in {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100}.items()
    }
    assert latencies.count == 100


@pytest.mark.slow
def test_a_stall_hits_everything_that_was_due_meanwhile() -> None:
    """A closed loop sees one slow call of many; in an open one all that came meanwhile are late."""
    closed = closed_loop(OneAtATime(0.002, stall_s=0.5), 1, 1.5, 0.0)
    assert closed.latencies.summary_ms()["p95"] < 50
    opened = open_loop(OneAtATime(0.002, stall_s=0.5), 50, 1.5, 0.0)
    assert opened.latencies.summary_ms()["p90"] > 200
    assert opened.latencies.summary_ms()["max"] > 400


@pytest.mark.slow
def test_the_rate_is_that_of_the_arrivals() -> None:
    found = open_loop(OneAtATime(0.001), 100, 1.5, 0.2)
    assert found.latencies.count == pytest.approx(150, abs=45)
    assert found.failures == 0


def test_a_generator_that_cannot_keep_up_says_so() -> None:
    """One thread for calls of 20 ms at 100 a second: they begin late, and the last are never sent."""
    found = open_loop(OneAtATime(0.02), 100, 0.5, 0.0, most_under_way=1)
    assert found.late > 0.5
    assert found.unsent > 5
    assert found.latencies.summary_ms()["max"] > 100


def test_an_overloaded_server_answers_no_more_than_it_can() -> None:
    found = open_loop(OneAtATime(0.01), 200, 0.25, 0.0)
    assert found.unsent == 0
    assert found.per_second < 110
    assert found.latencies.count == pytest.approx(len(arrivals(200, 0.25)), abs=1)


def test_arrivals_are_a_poisson_process() -> None:
    gaps_s = np.diff(arrivals(200, 100.0))
    assert gaps_s.mean() == pytest.approx(1 / 200, rel=0.05)
    assert gaps_s.std() == pytest.approx(gaps_s.mean(), rel=0.05)
    assert arrivals(200, 100.0)[-1] <= 100


def answered_in(milliseconds: float, *, failures: int = 0, unsent: int = 0) -> Load:
    latencies = Latencies()
    latencies.add(milliseconds / 1000)
    return Load(latencies, 1.0, failures, 0.0, unsent)


def test_the_search_ends_just_below_the_highest_rate_within_the_limit() -> None:
    found = throughput_at(lambda rate: answered_in(10 if rate <= 73 else 100), 60.0, 10.0)
    assert 73 / 1.06 < found.rate <= 73
    assert found.load is found.tried[found.rate]
    assert max(found.tried) > 73


@pytest.mark.parametrize("flaw", [{"failures": 1}, {"unsent": 1}])
def test_a_rate_that_fails_or_is_not_sent_is_not_kept(flaw: dict[str, int]) -> None:
    found = throughput_at(lambda rate: answered_in(1, **(flaw if rate > 5 else {})), 60.0, 100.0)
    assert 5 / 1.06 < found.rate <= 5


def test_no_rate_within_the_limit_is_zero() -> None:
    found = throughput_at(lambda _: answered_in(100), 60.0, 10.0)
    assert (found.rate, found.load) == (0.0, None)


def test_a_crew_uses_no_more_threads_than_work_at_once() -> None:
    names = set()

    def work(wanted: threading.Event) -> None:
        names.add(threading.current_thread().name)
        wanted.set()

    with Crew(work, 50) as crew:
        for _ in range(20):
            done = threading.Event()
            crew.give(done)
            assert done.wait(5)
            time.sleep(0.002)
    assert len(names) <= 3


def test_a_crew_raises_what_its_work_raised() -> None:
    def work(number: int) -> None:
        if number == 1:
            raise RequestError("no")

    crew = Crew(work, 2)
    for number in range(4):
        crew.give(number)
    with pytest.raises(RequestError, match="no"):
        crew.__exit__()


def test_failures_are_counted_and_have_no_latency() -> None:
    def call(number: int) -> None:
        if number % 2:
            raise RequestError("no")
        time.sleep(0.001)

    for found in (closed_loop(call, 2, 0.3, 0.0), open_loop(call, 100, 0.3, 0.0)):
        assert found.failures > 3
        assert str(found.first_failure) == "no"
        assert found.latencies.count > 3


def test_steps_are_means_between_two_readings() -> None:
    names = ("queue", "compute_input", "compute_infer", "compute_output")
    before = {"a": {"inferences": 10.0, "executions": 10.0, **dict.fromkeys(names, 1.0)}}
    after = {"a": {"inferences": 30.0, "executions": 15.0, **dict.fromkeys(names, 1.2)}}
    assert mean_step_ms(before, after) == {"a": {**dict.fromkeys(names, pytest.approx(10.0)), "batch": 4.0}}
    assert mean_step_ms(before, before) == {}


CLIP = TensorSpec("clip", "BYTES", (1,), media=True)
TEXT = TensorSpec("text", "BYTES", (1,), optional=True)
ENSEMBLE = EnsembleSpec("clip", (), (CLIP, TEXT), ())
CANARY = {"clip": bytes_tensor([b"grey"]), "text": bytes_tensor([b"hello"])}


def read(clip: list[str] | None, text: list[str] | None) -> list[dict[str, bytes]]:
    payloads = read_payloads(argparse.Namespace(clip=clip, text=text), ENSEMBLE, CANARY)
    return [{name: value[0, 0] for name, value in payload.items()} for payload in payloads]


def test_payloads_are_taken_in_turn(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.mp4").write_bytes(b"%d" % number)
    (tmp_path / "0.srt").write_text("subtitles", encoding="utf-8")
    found = read([str(tmp_path)], ["a", "b"])
    assert [payload["clip"] for payload in found] == [b"0", b"1", b"2"]
    assert [payload["text"] for payload in found] == [b"a", b"b", b"a"]


def test_what_is_not_given_is_the_canarys_or_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"film")
    assert read(None, None) == [{"clip": b"grey", "text": b"hello"}]
    assert read([str(tmp_path / "a.mp4")], None) == [{"clip": b"film"}]
    assert read(None, ["a"]) == [{"clip": b"grey", "text": b"a"}]


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds nothing for 'clip'"):
        read([str(tmp_path)], None)


def test_the_processes_of_another_machine_are_not_looked_for_here() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        assert processes_at(f"127.0.0.1:{port}")[0].pid == os.getpid()
        assert processes_at(f"localhost:{port}")[0].pid == os.getpid()
        assert processes_at(f"192.0.2.1:{port}") == []
    assert processes_at(f"127.0.0.1:{port}") == []


def test_use_is_told_by_worker() -> None:
    before = {"server": {"cpu_s": 1.0, "memory_mb": 50.0}}
    after = {"server": {"cpu_s": 3.0, "memory_mb": 60.0}, "encoder": {"cpu_s": 1.0, "memory_mb": 40.0}}
    found = use(before, after, 4.0)
    assert found["workers"]["server"] == {"cores": 0.5, "memory_mb": 60.0}
    assert (found["server_cores"], found["server_memory_mb"]) == (0.75, 100.0)
    assert use({}, {}, 4.0) == {}


def test_answers_survive_loadgens_log() -> None:
    answer = Answer({"score": np.array([[0.25, 0.5]], np.float32), "ids": np.array([3])}, 7)
    found = decode_answer(encode_answer(answer))
    assert found.model_version == 7
    assert largest_difference([answer], [found]) == 0
    assert found["score"].dtype == np.float32
    other = Answer({"score": np.array([[0.25, 0.75]], np.float32), "ids": np.array([3])}, 7)
    assert largest_difference([answer], [other]) == 0.25
    with pytest.raises(RequestError, match="another kind"):
        largest_difference([answer], [Answer({"score": np.zeros(1)}, 7)])


def test_a_record_answers_only_what_it_holds() -> None:
    inputs = [{"text": bytes_tensor([text])} for text in (b"ab", b"a")]
    answers = [Answer({"score": np.array([number])}, 1) for number in range(2)]
    requests = [("model", one, None) for one in inputs]
    with Replayer("127.0.0.1:1", requests=requests, answers=answers) as replayer:
        assert replayer.infer("model", inputs[1])["score"] == 1
        for model, unknown in (("other", inputs[0]), ("model", {"text": bytes_tensor([b"a", b"b"])})):
            with pytest.raises(RequestError, match="holds no such request"):
                replayer.infer(model, unknown)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_loadgen_judges_its_scenarios(scenario: Scenario, tmp_path: Path) -> None:
    asked = []

    def call(number: int) -> None:
        asked.append(number)
        time.sleep(0.002)

    # Two clients answer 1000 a second at most, so that Offline lasts as long as it must.
    rate = 1500.0 if scenario == "Offline" else 100.0
    aim = Aim(scenario, 0.3, 10, rate, limit_ms=200.0)
    found = run_performance(call, 5, aim, 2, tmp_path)
    # So short a run of Server never has the 459 queries that tell a p99.
    verdict = ("INVALID", ["Early stopping"]) if scenario == "Server" else ("VALID", [])
    assert (found["result"], found["unmet"]) == verdict
    assert 2 <= found["p50"] <= found["p99"] <= found["max"]
    assert found["per_second"] > 20
    assert set(asked) == set(range(5))


def test_loadgens_accuracy_mode_asks_for_every_sample_once(tmp_path: Path) -> None:
    found = run_accuracy(lambda number: b"answer %d" % number, 12, 3, tmp_path)
    assert found == {number: b"answer %d" % number for number in range(12)}


def test_a_call_that_fails_ends_loadgens_run_with_its_error(tmp_path: Path) -> None:
    def call(number: int) -> None:
        raise RequestError("the server is gone")

    with pytest.raises(RequestError, match="the server is gone"):
        run_performance(call, 5, Aim("SingleStream", 0.1, 5, 1.0, 1.0), 1, tmp_path)


def test_a_summary_without_a_result_is_an_error() -> None:
    with pytest.raises(ServerError, match="did not finish"):
        read_summary("SUT name : PySUT\n")


def test_without_perf_analyzer_the_message_says_what_is_missing(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("tritonclient==2.46.0\n", encoding="utf-8")
    with pytest.raises(EnvironmentSetupError, match="the tool that installs is missing"):
        find_perf_analyzer(tmp_path, requirements, tmp_path / "uv")
    refusing = Path(shutil.which("false") or "")
    with pytest.raises(EnvironmentSetupError, match="could not be installed"):
        find_perf_analyzer(tmp_path, requirements, refusing)


def test_input_data_holds_the_bytes_as_on_the_wire() -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    [step] = json.loads(input_data([{"image": bytes_tensor([b"\xffjpeg"]), "pixels": pixels}]))["data"]
    assert b64decode(step["image"]["content"]["b64"]) == b"\x05\0\0\0\xffjpeg"
    assert step["image"]["shape"] == [1]
    assert b64decode(step["pixels"]["content"]["b64"]) == bytes(range(6))
    assert step["pixels"]["shape"] == [2, 3]


def test_perf_analyzers_report_is_read_in_milliseconds() -> None:
    head = "Concurrency,Inferences/Second,Client Send,p50 latency,p90 latency,p95 latency,p99 latency\n"
    found = read_report(head + "1,166.544,6,5896,6925,7322,8475\n")
    assert found == {"per_second": 166.544, "p50": 5.896, "p90": 6.925, "p95": 7.322, "p99": 8.475}
    with pytest.raises(ServerError, match="reported nothing"):
        read_report(head)


def test_ratios_with_perf_analyzer_are_those_of_the_same_round() -> None:
    def row(value: float) -> dict[str, float]:
        return dict.fromkeys(FIGURES, value)

    found = compare({"ours": [row(2), row(12), row(9)], "perf_analyzer": [row(1), row(10), row(10)]})
    assert found["ours"]["p50"] == 9
    assert found["perf_analyzer"]["p50"] == 10
    assert found["ratio"]["p50"] == pytest.approx(1.2)


def test_the_page_shows_every_table_and_picture() -> None:
    phases = {"queue": 1.0, "compute_input": 0.0, "compute_infer": 12.345, "compute_output": 0.5, "batch": 1}
    percentiles = {"p50": 1.0, "p90": 2.0, "p95": 3.0, "p99": 44.44, "max": 50.0}
    point = {"kind": "rate", "size": 20.0, "per_second": 19.9, "failures": 0, "late": 0.25, **percentiles}
    steps = {"a_match": phases, "a_encoder": phases}
    data: dict[str, Any] = {
        "system": "a",
        "protocol": "grpc",
        "requests": 10,
        "profile": "demo",
        "contract_hash": "0123",
        "machine": "a <machine>",
        "versions": {"a_match": "3"},
        "latency_ms": {"a_match": percentiles},
        "steps_ms": {"a_match": steps},
        "load": {"a_match": [point | {"steps_ms": steps}]},
    }
    picture = load_png("a_match", data["load"]["a_match"], {"a_encoder": phases})
    assert picture.startswith(b"\x89PNG")
    shown = page(data, {"a_match": picture})
    for part in ("a_match 3", "contract 0123", "a &lt;machine&gt;", "44.44", "25.0%", "12.35", "20/s"):
        assert part in shown
    assert b64encode(picture).decode() in shown
