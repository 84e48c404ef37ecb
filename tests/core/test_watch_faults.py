"""Whatever a source does, the watch goes on, nothing blocks, and what was wrong is told."""

from __future__ import annotations

import http.server
import socketserver
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.core.movies import movie, tone
from tests.core.rtsp_camera import RtspCamera
from tests.core.watching import Watching, assessment, bright
from trifuse.errors import InputError, ServerUnavailableError

pytestmark = pytest.mark.slow


def bright_movie(path: Path, **changes) -> Path:
    """Ten seconds, white from the third to the sixth: one incident."""
    return movie(path, **{"seconds": 10.0, "picture": bright(3, 6), "video_options": {"g": "10"}} | changes)


def states(watching: Watching) -> list[tuple[str, str]]:
    return [(told["event"], told["state"]) for told in watching.records("alert")]


def problems(watching: Watching) -> str:
    return "\n".join(told["problem"] for told in watching.records("problem"))


ONE_FIGHT = [("fight", "new"), ("fight", "end")]


class TestFiles:
    def test_damaged_packets_are_told_and_the_rest_is_watched(self, tmp_path):
        path = bright_movie(tmp_path / "a.ts", sound=tone(10))
        content = bytearray(path.read_bytes())
        rng = np.random.default_rng(0)
        middle = len(content) // 2
        for place in rng.integers(middle, middle + len(content) // 5, 400):
            content[place] ^= 0xFF
        path.write_bytes(content)
        watching = Watching(tmp_path, path).run()
        assert watching.error is None
        assert "damaged packets" in problems(watching)
        counts = watching.summary["cameras"]["a"]
        assert counts["corrupt_packets"] > 0
        assert counts["watched_s"] > 9
        assert counts["windows"] == counts["assessed"] >= 8

    def test_half_a_file_is_watched_to_where_it_is_torn_off(self, tmp_path):
        path = bright_movie(tmp_path / "a.mkv")
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 3 // 4])
        watching = Watching(tmp_path, path).run()
        assert watching.error is None
        assert 4 < watching.summary["cameras"]["a"]["watched_s"] < 9.9

    def test_without_sound(self, tmp_path):
        watching = Watching(tmp_path, bright_movie(tmp_path / "a.mp4")).run()
        assert states(watching) == ONE_FIGHT
        assert problems(watching) == ""

    def test_sound_alone(self, tmp_path):
        path = movie(tmp_path / "a.ogg", fps=None, sound=2 * tone(8))
        watching = Watching(tmp_path, path).run()
        assert states(watching) == [("blast", "new"), ("blast", "end")]
        assert "no picture" in problems(watching)
        assert [told["medium"] for told in watching.records("evidence")] == ["clip"]

    def test_pictures_that_change_their_size(self, tmp_path):
        parts = [
            bright_movie(tmp_path / "0.ts", seconds=5.0, picture=bright(3, 6), sound=tone(5)),
            bright_movie(
                tmp_path / "1.ts", seconds=6.0, size=(96, 160), picture=bright(0, 1, (96, 160)), sound=tone(6)
            ),
        ]
        path = tmp_path / "a.ts"
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        watching = Watching(tmp_path / "watch", path).run()
        assert watching.error is None
        assert states(watching) == ONE_FIGHT
        # The second file's time goes on where the first one's ended.
        assert 10.5 < watching.summary["cameras"]["a"]["watched_s"] < 11.5
        assert all(one.frames is not None for one in watching.assessor.windows)

    def test_an_empty_file_among_others_is_told(self, tmp_path):
        empty = tmp_path / "empty.mp4"
        empty.touch()
        watching = Watching(tmp_path, empty, bright_movie(tmp_path / "good.mp4")).run()
        assert watching.error is None
        assert [told["camera"] for told in watching.records("problem")] == ["empty"]
        assert states(watching) == ONE_FIGHT
        assert (tmp_path / "empty.png").is_file()

    def test_nothing_but_an_empty_file_is_an_error(self, tmp_path):
        empty = tmp_path / "empty.mp4"
        empty.touch()
        watching = Watching(tmp_path, empty).run()
        assert isinstance(watching.error, InputError)
        assert "nothing could be watched" in str(watching.error)

    def test_text_is_no_film(self, tmp_path):
        path = tmp_path / "notes.mp4"
        path.write_text("nothing to see here " * 1000)
        assert isinstance(Watching(tmp_path, path).run().error, InputError)


class TestStreams:
    """Cameras on loopback that play faster than life."""

    def test_one_that_dies_and_comes_back(self, tmp_path):
        with (
            RtspCamera(bright(2, 1000), speed=16) as camera,
            Watching(tmp_path, f"gate={camera.url}", silent_after_s=0.7, summary_s=0.5) as watching,
        ):
            first = watching.wait_for("alert")
            camera.die()
            silent = watching.wait_for("camera_silent")
            ended = watching.wait_for("alert", 2)
            camera.live()
            back = watching.wait_for("camera_back")
            again = watching.wait_for("alert", 3)
        assert (silent["camera"], silent["id"]) == (back["camera"], back["id"])
        assert silent["reason"]
        assert back["silent_s"] > 0.7
        assert (ended["state"], ended["id"], ended["reason"]) == ("end", first["id"], "the camera is silent")
        assert (again["state"], again["time_s"] > first["time_s"]) == ("new", True)
        counts = watching.summary["cameras"]["gate"]
        assert counts["connections"] == 2
        assert watching.records("summary")[0]["cameras"]["gate"]["connections"] == 1
        # Its sound is G.711, for which MP4 has no place, and its clip ends where the camera died.
        assert {told["medium"] for told in watching.records("evidence")} == {"snapshot", "clip"}
        assert watching.summary["evidence"] == {"written": 4}
        assert "s3cret" not in watching.output.read_text() + str(watching.summary)
        assert "s3cret" not in (tmp_path / "timeline.html").read_text()

    def test_one_that_stalls(self, tmp_path):
        with (
            RtspCamera(bright(0, 0), speed=16) as camera,
            Watching(tmp_path, f"gate={camera.url}", silent_after_s=0.6) as watching,
        ):
            while not watching.assessor.windows:
                threading.Event().wait(0.05)
            camera.stall()
            silent = watching.wait_for("camera_silent")
        assert silent["camera"] == "gate"
        assert watching.summary["cameras"]["gate"]["assessed"] > 0

    def test_http_that_stops_sending(self, tmp_path):
        content = bright_movie(tmp_path / "a.ts").read_bytes()
        server = http_server(content[: len(content) // 2])
        with server as port, Watching(tmp_path, f"gate=http://127.0.0.1:{port}/a.ts") as watching:
            watching.wait_for("problem", 2)
        assert "nothing came for too long" in problems(watching)
        counts = watching.summary["cameras"]["gate"]
        assert counts["connections"] >= 2
        assert counts["assessed"] > 0

    def test_one_that_was_never_there_does_not_hold_up_another(self, tmp_path):
        with RtspCamera(bright(0, 0)) as gone:
            gone.die()
            film = bright_movie(tmp_path / "good.mp4")
            with Watching(tmp_path, f"gate={gone.url}", film, silent_after_s=0.4) as watching:
                silent = watching.wait_for("camera_silent")
                watching.wait_for("alert", 2)
        assert silent["camera"] == "gate"
        assert states(watching) == ONE_FIGHT
        # One problem, however often it was tried.
        assert [told["camera"] for told in watching.records("problem")] == ["gate"]
        assert "s3cret" not in watching.output.read_text()


class Outage:
    """A server that is away for some calls."""

    def __init__(self, away: range) -> None:
        self.calls, self.away = 0, away

    def assess_many(self, windows):
        self.calls += 1
        if self.calls in self.away:
            raise ServerUnavailableError("no server is ready")
        return [assessment() for _ in windows]


class TestServer:
    def test_a_live_watch_waits_for_it_and_tells_that_once(self, tmp_path):
        with (
            RtspCamera(bright(0, 0), speed=16) as camera,
            Watching(tmp_path, f"gate={camera.url}", assessor=Outage(range(2, 3))) as watching,
        ):
            watching.wait_for("server_back")
        assert len(watching.records("server_silent")) == 1
        counts = watching.summary["cameras"]["gate"]
        assert counts["failed"] >= 1
        assert counts["assessed"] >= 1

    def test_recordings_fail_with_it(self, tmp_path):
        watching = Watching(tmp_path, bright_movie(tmp_path / "a.mp4"), assessor=Outage(range(2, 99))).run()
        assert isinstance(watching.error, ServerUnavailableError)

    def test_a_window_that_is_refused_costs_no_other(self, tmp_path):
        class Picky:
            def assess_many(self, windows):
                if any(window.frames.mean() > 200 for window in windows):
                    raise InputError("too bright")
                return [assessment() for _ in windows]

        with (
            RtspCamera(bright(2, 5), speed=16) as camera,
            Watching(tmp_path, f"gate={camera.url}", assessor=Picky()) as watching,
        ):
            told = watching.wait_for("problem")
        assert "too bright" in told["problem"]
        assert watching.summary["cameras"]["gate"]["assessed"] > 0

    @pytest.mark.parametrize("waiting", [1, 3])
    def test_the_oldest_windows_are_dropped_when_it_is_slow(self, tmp_path, waiting):
        release = threading.Event()

        class Slow:
            def __init__(self):
                self.sizes: list[int] = []

            def assess_many(self, windows):
                self.sizes.append(len(windows))
                release.wait(20)
                return [assessment() for _ in windows]

        with (
            RtspCamera(bright(0, 0), speed=16) as camera,
            Watching(tmp_path, f"gate={camera.url}", assessor=Slow(), waiting=waiting) as watching,
        ):
            camera_state = watching.camera("gate")
            while camera_state.summary()["dropped"] < 3:
                threading.Event().wait(0.05)
            release.set()
        counts = watching.summary["cameras"]["gate"]
        assert counts["windows"] == counts["assessed"] + counts["dropped"]
        assert max(watching.assessor.sizes) <= waiting


class http_server:  # noqa: N801 - used as a function
    """Serves bytes as the beginning of a longer file, and then nothing."""

    def __init__(self, content: bytes) -> None:
        done = self._done = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()
                self.wfile.write(content)
                self.wfile.flush()
                done.wait(30)

            def log_message(self, *_: object) -> None:
                pass

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> int:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self._server.server_address[1]

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._server.shutdown()
        self._server.server_close()
