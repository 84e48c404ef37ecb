"""The watch script against the real server: recordings, cameras, signals, a server that comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.movies import movie, tone
from tests.core.rtsp_camera import RtspCamera
from tests.core.watching import bright
from tests.triton.served import ROOT
from trifuse import systems
from trifuse.serving.embedded import EmbeddedTriton, free_ports
from trifuse.serving.repository import publish

CONTRACT = systems.contract("surveillance", "smoke")
SEEN_EVENTS = {"fight", "fall", "crowd_panic", "blast", "threat"}


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    write_export: Callable[..., Path],
    definition: Path,
    server_environment: Path,
) -> Iterator[EmbeddedTriton]:
    """Serve a model that answers 0.5 to everything, which is also its threshold."""
    folder = tmp_path_factory.mktemp("surveillance")
    publish(write_export(folder / "export", CONTRACT), folder / "models", CONTRACT, definition, cores=1)
    ports = dict(zip(("http_port", "grpc_port", "metrics_port"), free_ports(3), strict=True))
    with EmbeddedTriton(folder / "models", server_environment=server_environment, **ports) as server:
        yield server


@pytest.fixture
def command(server: EmbeddedTriton, tmp_path: Path) -> Callable[..., list[str]]:
    def command(*arguments: object, protocol: str = "grpc") -> list[str]:
        url = server.grpc_url if protocol == "grpc" else server.http_url
        options = ("--url", url, "--protocol", protocol, "--folder", tmp_path / "watch")
        return [sys.executable, str(ROOT / "clients" / "watch.py"), *map(str, (*arguments, *options))]

    return command


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return movie(tmp_path / "film.mp4", seconds=8.0, sound=tone(8.0), cues=[(1.0, 2.0, "你好 hello")])


def run(command: list[str]) -> tuple[list[dict[str, Any]], subprocess.CompletedProcess[str]]:
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()], finished


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_recording_gives_lines_evidence_and_a_timeline(command, film, tmp_path, protocol):
    told, finished = run(command(film, protocol=protocol))
    assert finished.stderr == ""
    alerts = [one for one in told if one["record"] == "alert"]
    for state in ("new", "end"):
        events = [one["event"] for one in alerts if one["state"] == state]
        assert (len(events), set(events)) == (5, SEEN_EVENTS)
    assert {one["version"] for one in alerts if one["state"] == "new"} == {1}
    assert told[-1]["record"] == "summary"
    counts = told[-1]["cameras"]["film"]
    assert counts["windows"] == counts["assessed"] == 7
    assert told[-1]["evidence"] == {"written": 10}
    assert (tmp_path / "watch" / "timeline.html").is_file()
    assert (tmp_path / "watch" / "film.png").is_file()


def test_a_score_that_is_not_reached_raises_nothing(command, film):
    told, _ = run(command(film, "--min-score", "0.6", "--min-score", "fall=0.5"))
    assert {one["event"] for one in told if one["record"] == "alert"} == {"fall"}


def test_with_a_file_for_the_lines_people_get_a_table(command, film, tmp_path):
    lines = tmp_path / "lines.jsonl"
    finished = subprocess.run(
        command(film, "--output", lines),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"COLUMNS": "120"},
    )
    assert finished.returncode == 0
    assert "film" in finished.stdout
    assert "timeline.html" in finished.stdout
    kinds = [json.loads(line)["record"] for line in lines.read_text().splitlines()]
    assert "alert" in kinds
    assert kinds[-1] == "summary"


class Running:
    """The script in the background, whose lines can be waited for."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.told: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._changed:
                self.told.append(json.loads(line))
                self._changed.notify()

    def wait_for(self, kind: str) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            return [one for one in self.told if one["record"] == kind]

        with self._changed:
            assert self._changed.wait_for(found, 60), f"no {kind}: {self.told}"
            return found()[0]

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_watch_of_a_camera_cleanly(command, tmp_path, number):
    with RtspCamera(bright(0, 0)) as camera:
        watch = Running(command(f"gate={camera.url}"))
        alert = watch.wait_for("alert")
        assert watch.end(number) == 0
    watch.wait_for("summary")
    ended = [one for one in watch.told if one["record"] == "alert" and one["state"] == "end"]
    assert alert["id"] in {one["id"] for one in ended}
    assert (tmp_path / "watch" / "gate.png").is_file()
    assert watch.process.stderr
    assert watch.process.stderr.read() == ""


def test_a_live_watch_outlasts_the_server(command, server):
    with RtspCamera(bright(0, 0)) as camera:
        watch = Running(command(f"gate={camera.url}", "--timeout-s", "2"))
        watch.wait_for("alert")
        server.stop()
        watch.wait_for("server_silent")
        server.start()
        watch.wait_for("server_back")
        assert watch.end(signal.SIGTERM) == 0
    watch.wait_for("summary")
