"""What is kept of a watch stays small, takes turns, and ends as a picture and a page."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.core.movies import movie
from tests.core.watching import Watching, bright
from trifuse.systems.surveillance.watch.alert_settings import AlertSettings
from trifuse.systems.surveillance.watch.history import MOST_INCIDENTS, MOST_POINTS, History
from trifuse.systems.surveillance.watch.incidents import Alert
from trifuse.systems.surveillance.watch.timeline import Watched, write_timelines
from trifuse.systems.surveillance.watch.timeline_plot import timeline_png
from trifuse.systems.surveillance.watch.waiting import Taken, WaitingRoom
from trifuse.systems.surveillance.watch.zones import Zone


def alert(number: int, state: str = "new", time_s: float = 12.0) -> Alert:
    return Alert(state, str(number), "gate", "fight", 10.0, time_s, time_s, 0.9, 0.9)


class TestWaitingRoom:
    def test_cameras_take_turns(self):
        room: WaitingRoom[int] = WaitingRoom(["a", "b", "c"], depth=4)
        for item in range(4):
            room.put("a", item)
        room.put("b", 10)
        assert room.take(3) == [Taken("a", 0), Taken("b", 10), Taken("a", 1)]
        room.put("c", 20)
        assert room.take(9) == [Taken("c", 20), Taken("a", 2), Taken("a", 3)]

    def test_the_oldest_of_a_camera_gives_way_to_the_newest(self):
        room: WaitingRoom[int] = WaitingRoom(["a", "b"], depth=2)
        assert [room.put("a", item) for item in range(4)] == [None, None, 0, 1]
        assert room.put("b", 10) is None
        assert [taken.item for taken in room.take(9)] == [2, 10, 3]

    def test_who_is_patient_waits_for_room(self):
        room: WaitingRoom[int] = WaitingRoom(["a"], depth=1)
        thread = threading.Thread(target=lambda: [room.put_patiently("a", item) for item in range(20)])
        thread.start()
        taken = [room.take(9)[0].item for _ in range(20)]
        thread.join(5)
        assert taken == list(range(20))

    def test_once_closed_nobody_waits(self):
        room: WaitingRoom[int] = WaitingRoom(["a"], depth=1)
        room.put("a", 1)
        blocked = threading.Thread(target=room.put_patiently, args=("a", 2))
        blocked.start()
        room.close()
        blocked.join(5)
        assert not blocked.is_alive()
        assert [taken.item for taken in room.take(9)] == [1, 2]
        assert room.take(9) == []


class TestHistory:
    def test_a_long_watch_gets_coarser_and_keeps_its_peaks(self):
        history, rng = History(), np.random.default_rng(0)
        scores = rng.random(20_000).round(4)
        for second, score in enumerate(scores):
            history.add_scores(float(second), {"fight": float(score)}, {"fight": 0.5})
        assert len(history.points) <= MOST_POINTS
        assert history.points[0].start_s == 0
        assert history.points[-1].end_s == 19_999
        assert max(point.scores["fight"] for point in history.points) == scores.max()
        ends = [point.end_s for point in history.points]
        assert ends == sorted(ends)

    def test_it_forgets_the_oldest_incidents(self):
        history = History()
        for number in range(MOST_INCIDENTS + 5):
            history.add_alert(alert(number))
        assert len(history.incidents) == MOST_INCIDENTS
        assert "4" not in history.incidents
        history.add_evidence("4", "clip", "gone.mp4")

    def test_an_incident_is_as_it_was_last_told(self):
        history = History()
        history.add_alert(alert(1))
        history.add_evidence("1", "snapshot", "a.jpg")
        history.add_alert(alert(1, "end", time_s=20.0))
        incident = history.incidents["1"]
        assert (incident.told_s, incident.alert.state, incident.files) == (12.0, "end", {"snapshot": "a.jpg"})


class TestTimeline:
    def history(self, **scores: float) -> History:
        history = History()
        for second in range(60):
            history.add_scores(float(second), scores, {"fight": 0.5})
        return history

    def picture(self, history: History) -> np.ndarray:
        png = timeline_png("gate", history, ("fight", "fall"), 60.0)
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int)

    def test_scores_incidents_and_silences_are_seen(self):
        empty = self.picture(self.history(fight=0.0))
        for change in ("score", "alert", "silence"):
            history = self.history(fight=0.8 if change == "score" else 0.0)
            if change == "alert":
                history.add_alert(alert(1))
            if change == "silence":
                history.begin_silence(20.0)
                history.end_silence(40.0)
            different = np.abs(self.picture(history) - empty).max(axis=2) > 30
            assert different.mean() > 0.001, change
            if change != "silence":
                # Only the first of the two rows changes.
                assert not different[int(0.62 * len(different)) :].any(), change

    def test_the_page_shows_every_camera_and_escapes_what_it_shows(self, tmp_path):
        history = self.history(fight=0.9)
        history.add_alert(alert(1))
        history.add_evidence("1", "clip", str(tmp_path / "evidence" / "gate" / "fight 1.mp4"))
        facts = {"source": "<b>rtsp</b>", "watched_s": 60, "alerts": 1, "assessed": 60, "windows": 60}
        cameras = [Watched("gate", history, facts), Watched("hall", History(), facts)]
        page = write_timelines(tmp_path, cameras, ("fight",)).read_text(encoding="utf-8")
        assert "<b>rtsp" not in page
        assert "&lt;b&gt;rtsp" in page
        assert 'href="evidence/gate/fight%201.mp4"' in page
        for name in ("gate.png", "hall.png"):
            assert f'src="{name}"' in page
            assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Watching:
    """Two films, each with an incident of four seconds, watched to their ends."""
    folder = tmp_path_factory.mktemp("watch")
    films = folder / "films"
    films.mkdir()
    for name, start_s in (("one", 4), ("two", 8)):
        movie(films / f"{name}.mp4", seconds=16.0, picture=bright(start_s, start_s + 4))
    return Watching(folder, films).run()


class TestWholeWatch:
    def test_every_camera_has_one_alert_an_incident_at_its_time(self, watching):
        new = {one["camera"]: one for one in watching.records("alert") if one["state"] == "new"}
        assert len(watching.records("alert")) == 4
        for camera, start_s in (("one", 4), ("two", 8)):
            assert new[camera]["started_s"] == pytest.approx(start_s, abs=1.0)
            assert start_s + 1 < new[camera]["time_s"] <= start_s + 3
            assert 0 <= new[camera]["latency_s"] < 5
            assert new[camera]["scores"]["fight"] > 0.5

    def test_the_evidence_comes_after_the_alert_and_shows_it(self, watching):
        told = [one["record"] for one in watching.records("alert") + watching.records("evidence")]
        assert told.count("evidence") == 4
        everything = watching.output.read_text().splitlines()
        for one in watching.records("evidence"):
            about = [line for line in everything if one["id"] in line]
            assert '"state": "new"' in about[0]
            if one["medium"] == "snapshot":
                assert np.asarray(Image.open(one["path"])).mean() > 200

    def test_the_summary_counts_and_names_the_timeline(self, watching):
        counts = watching.summary["cameras"]["one"]
        assert counts["windows"] == counts["assessed"] == 15
        assert (counts["alerts"], counts["dropped"], counts["shown"]) == (1, 0, 160)
        page = Path(watching.summary["timeline"]).read_text()
        assert page.count('class="timeline"') == 2
        assert page.count(".jpg") == 4

    def test_stop_ends_it_with_what_it_has(self, tmp_path):
        path = movie(tmp_path / "a.mp4", seconds=20.0, picture=bright(0, 99))
        capture = Watching(tmp_path, path, alerts=AlertSettings(events=("fight",)))
        with capture as watching:
            watching.wait_for("alert")
        assert watching.error is None
        assert watching.records("alert")[-1]["state"] == "end"
        assert Path(watching.summary["timeline"]).is_file()


def passer_by_leaves_a_bag(time_s: float) -> np.ndarray:
    """Somebody walks through the picture; a bag lies there from then on."""
    picture = np.random.default_rng(0).integers(90, 150, (45, 80, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    left = int(60 * (time_s - 5) - 40)
    if 5 <= time_s < 12 and left > -30:
        picture[60:160, max(0, left) : max(0, left + 30)] = 30
    if time_s >= 8.2:
        picture[130:160, 150:180] = (20, 30, 200)
    return picture


def test_an_object_left_in_a_zone_is_told_with_its_box_and_one_elsewhere_is_not(tmp_path):
    film = movie(tmp_path / "a.mp4", seconds=20.0, fps=5, picture=passer_by_leaves_a_bag, size=(320, 180))
    (tmp_path / "elsewhere.mp4").write_bytes(film.read_bytes())
    zones = {
        "a": (Zone("floor", ((0.3, 0.5), (0.7, 0.5), (0.7, 1.0), (0.3, 1.0))),),
        "elsewhere": (Zone("door", ((0.0, 0.0), (0.3, 0.0), (0.3, 1.0))),),
    }
    rules = AlertSettings(events=("abandoned_object",))
    watching = Watching(
        tmp_path / "watch", film, tmp_path / "elsewhere.mp4", zones=zones, dwell_s=5.0, alerts=rules
    ).run()
    told = watching.records("alert")
    assert [(one["camera"], one["state"]) for one in told] == [("a", "new"), ("a", "end")]
    assert told[0]["zone"] == "floor"
    assert told[0]["unattended_s"] >= 5
    assert told[0]["box"] == pytest.approx([150 / 320, 130 / 180, 180 / 320, 160 / 180], abs=0.03)
    assert told[0]["started_s"] == pytest.approx(10.0, abs=3.0)
    assert told[1]["reason"] == "the source has ended"
    clip = next(Path(one["path"]) for one in watching.records("evidence") if one["medium"] == "clip")
    with av.open(str(clip)) as container:
        # Who left it can be seen.
        assert container.duration / av.time_base > 10
