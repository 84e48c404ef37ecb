"""Loads and what they find, on calls whose times are known."""

from __future__ import annotations

import threading
import time

import pytest

from trifuse.benchmarking.latencies import Latencies
from trifuse.benchmarking.loops import closed_loop, open_loop, throughput_at
from trifuse.benchmarking.server_side import mean_step_ms
from trifuse.errors import RequestError


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


@pytest.mark.slow
def test_throughput_within_a_limit_is_below_what_one_server_can_do() -> None:
    rate, found = throughput_at(OneAtATime(0.01), 60.0, 0.6, 0.1, 200.0)
    assert 30 < rate < 100
    assert found is not None
    assert found.latencies.summary_ms()["p99"] <= 60


def test_failures_are_counted_and_have_no_latency() -> None:
    def call(number: int) -> None:
        if number % 2:
            raise RequestError("no")
        time.sleep(0.001)

    for found in (closed_loop(call, 2, 0.3, 0.0), open_loop(call, 100, 0.3, 0.0)):
        assert found.failures > 3
        assert found.latencies.count > 3


def test_steps_are_means_between_two_readings() -> None:
    names = ("queue", "compute_input", "compute_infer", "compute_output")
    before = {"a": {"inferences": 10.0, "executions": 10.0, **dict.fromkeys(names, 1.0)}}
    after = {"a": {"inferences": 30.0, "executions": 15.0, **dict.fromkeys(names, 1.2)}}
    assert mean_step_ms(before, after) == {"a": {**dict.fromkeys(names, pytest.approx(10.0)), "batch": 4.0}}
    assert mean_step_ms(before, before) == {}
