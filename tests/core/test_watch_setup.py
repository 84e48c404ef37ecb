"""What is given on the command line is understood or refused, and secrets stay secret."""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.movies import movie
from trifuse.errors import ConfigurationError, InputError
from trifuse.systems.surveillance.watch.options import (
    add_watch_options,
    outlet_settings,
    transcripts,
    watch_settings,
)
from trifuse.systems.surveillance.watch.sources import find_sources, without_secrets
from trifuse.systems.surveillance.watch.zones import read_zones, zone_of

SCRIPT = Path(__file__).parents[2] / "clients" / "watch.py"
SQUARE = [[0.5, 0.5], [1.0, 0.5], [1.0, 1.0], [0.5, 1.0]]


class TestSources:
    def test_folders_are_searched_for_media(self, tmp_path):
        for name in ("b.mp4", "a.MKV", "deep/c.ts", "notes.txt", "b.srt"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        found = find_sources([str(tmp_path)])
        assert [(one.name, one.live) for one in found] == [("a", False), ("b", False), ("c", False)]

    def test_names_are_unique_and_fit_for_file_names(self, tmp_path):
        for folder in ("one", "two"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "main entrance.mp4").touch()
        found = find_sources([str(tmp_path), "rtsp://u:p@10.0.0.7:554/live/ch0?token=abc", "门=rtsp://h/x"])
        names = ["main-entrance", "main-entrance-2", "10.0.0.7-554-live-ch0", "门"]
        assert [one.name for one in found] == names
        assert [one.live for one in found] == [False, False, True, True]

    def test_a_path_with_an_equals_sign_is_a_path(self, tmp_path):
        path = tmp_path / "a=b.mp4"
        path.touch()
        assert [one.address for one in find_sources([str(path)])] == [str(path)]

    @pytest.mark.parametrize("argument", ["missing.mp4", "gate=missing.mp4"])
    def test_what_is_not_there_is_refused(self, argument):
        with pytest.raises(InputError, match="nothing to watch"):
            find_sources([argument])

    def test_a_folder_without_media_is_refused(self, tmp_path):
        with pytest.raises(InputError, match="no media files"):
            find_sources([str(tmp_path)])

    @pytest.mark.parametrize(
        "address",
        [
            "rtsp://admin:hunter2@10.0.0.7/live",
            "rtsp://admin:hunter2@x@10.0.0.7/live",
            "rtsp://admin:hun/hunter2@10.0.0.7/live",
            "rtsp://10.0.0.7/user=admin&password=hunter2&channel=1",
            "https://10.0.0.7/live?Token=hunter2",
        ],
    )
    def test_secrets_are_not_shown(self, address):
        (source,) = find_sources([address])
        for text in (source.name, source.shown, without_secrets(f"[Errno 1] refused: '{address}'")):
            assert "hunter2" not in text
        assert "10.0.0.7" in source.shown


class TestZones:
    def write(self, folder: Path, content: object) -> Path:
        path = folder / "zones.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    def test_a_camera_has_its_own_and_those_of_all(self, tmp_path):
        path = self.write(
            tmp_path,
            {
                "gate": [{"name": "door", "polygon": SQUARE}],
                "*": [{"name": "all", "polygon": [[0, 0], [1, 0], [1, 1]]}],
            },
        )
        zones = read_zones(path, ["gate", "hall"])
        names = {camera: [zone.name for zone in found] for camera, found in zones.items()}
        assert names == {"gate": ["door", "all"], "hall": ["all"]}

    def test_a_box_is_where_its_foot_is(self, tmp_path):
        path = self.write(tmp_path, {"gate": [{"name": "door", "polygon": SQUARE}]})
        zones = read_zones(path, ["gate"])["gate"]
        assert zone_of((0.6, 0.1, 0.8, 0.6), zones) == "door"
        assert zone_of((0.6, 0.1, 0.8, 0.4), zones) is None
        assert zone_of((0.1, 0.1, 0.3, 0.9), zones) is None

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("{", "has no zones"),
            ([], "has no zones"),
            ({"gate": [{"polygon": SQUARE}]}, "has no zones"),
            ({"gate": [{"name": "a", "polygon": [[0, 0, 0]]}]}, "has no zones"),
            ({"gate": [{"name": "a", "polygon": SQUARE[:2]}]}, "no polygon"),
            ({"gate": [{"name": "a", "polygon": [[0, 0], [2, 0], [1, 1]]}]}, "no polygon"),
            ({"roof": [{"name": "a", "polygon": SQUARE}]}, "not watched"),
        ],
    )
    def test_what_is_no_zone_is_refused(self, tmp_path, content, message):
        with pytest.raises(ConfigurationError, match=message):
            read_zones(self.write(tmp_path, content), ["gate"])


class TestOptions:
    def parse(self, *arguments: str) -> argparse.Namespace:
        parser = argparse.ArgumentParser()
        add_watch_options(parser)
        return parser.parse_args(["a.mp4", *arguments])

    def test_they_become_settings(self):
        options = self.parse(
            *("--stride-s", "0.5", "--smoothing", "median/5", "--events", "fight,abnormal"),
            *("--min-score", "0.4", "--min-score", "fight=0.7", "--cooldown-s", "0", "--real-time"),
        )
        settings = watch_settings(options, (8, 56))
        assert (settings.windows.stride_s, settings.alerts.stride_s) == (0.5, 0.5)
        assert (settings.windows.video.frame_count, settings.windows.video.frame_size) == (8, 56)
        assert settings.windows.window_s == 2.0
        assert (settings.alerts.smoothing.k, settings.alerts.smoothing.n) == (3, 5)
        assert settings.alerts.events == ("fight", "abnormal")
        assert (settings.alerts.min_scores["fight"], settings.alerts.min_scores["fall"]) == (0.7, 0.4)
        assert settings.alerts.cooldown_s == 0
        assert settings.capture.real_time
        assert settings.scene_history_s == 10.0

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--smoothing", "4/3"),
            ("--events", "fight,picnic"),
            ("--min-score", "high"),
            ("--min-score", "picnic=0.5"),
            ("--min-score", "fight=1.5"),
            ("--stride-s", "3"),
            ("--cooldown-s", "-1"),
            ("--end-share", "1.1"),
        ],
    )
    def test_settings_that_cannot_be_are_refused(self, arguments):
        with pytest.raises(ConfigurationError):
            watch_settings(self.parse(*arguments), (8, 56))

    def test_a_transcript_belongs_to_a_camera(self):
        options = self.parse("--transcript", "hall=a.jsonl", "--transcript", "gate=b.jsonl")
        assert transcripts(options, ["gate", "hall"]) == {"hall": Path("a.jsonl"), "gate": Path("b.jsonl")}
        assert transcripts(self.parse("--transcript", "c.jsonl"), ["gate"]) == {"gate": Path("c.jsonl")}

    @pytest.mark.parametrize("given", ["a.jsonl", "roof=a.jsonl"])
    def test_a_transcript_of_nobody_is_refused(self, given):
        with pytest.raises(ConfigurationError, match="which camera"):
            transcripts(self.parse("--transcript", given), ["gate", "hall"])

    def test_a_template_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            outlet_settings(self.parse("--webhook-body", str(tmp_path / "missing.txt")))


class TestCommandLine:
    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPT), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    @pytest.fixture
    def closed_port(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            yield f"127.0.0.1:{holder.getsockname()[1]}"

    def test_without_a_server_it_says_so(self, tmp_path, closed_port):
        path = movie(tmp_path / "a.mp4", seconds=1.0)
        finished = self.run(path, "--url", closed_port, "--folder", tmp_path / "out")
        assert finished.returncode == 4
        assert finished.stderr.startswith("error: no server is ready")
        assert json.loads(finished.stdout)["error"]["type"] == "ServerUnavailableError"

    def test_what_is_not_there_has_its_exit_code(self):
        finished = self.run("missing.mp4")
        assert (finished.returncode, finished.stderr.count("\n")) == (3, 1)
