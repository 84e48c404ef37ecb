"""Alerts and incidents that a person can match by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trifuse.errors import ArtifactError
from trifuse.systems.surveillance.events.figures import ALL, figures, hours, normal_hours, overlap
from trifuse.systems.surveillance.events.files import read_alerts, read_recordings
from trifuse.systems.surveillance.events.matching import Annotation, Judged, NewAlert, Recording, match
from trifuse.systems.surveillance.watch.incidents import Alert
from trifuse.systems.surveillance.watch.records import alert_record, record
from trifuse.training.intervals import rate, share

DWELL_S = 30.0
BOX = (0.4, 0.6, 0.5, 0.8)


def fight(start_s: float, end_s: float, event: str = "fight") -> Annotation:
    return Annotation(event, start_s, end_s, start_s)


def bag(start_s: float, end_s: float) -> Annotation:
    return Annotation("abandoned_object", start_s, end_s, start_s + DWELL_S, BOX)


def recording(*annotations: Annotation, duration_s: float = 360.0) -> Recording:
    return Recording("r01", Path("r01.mp4"), duration_s, annotations)


def judge(annotations: list[Annotation], *alerts: tuple[str, float]) -> Judged:
    return match(recording(*annotations), [NewAlert(*alert) for alert in alerts])


def kinds(judged: Judged) -> list[str]:
    return [verdict.kind for verdict in judged.verdicts]


@pytest.mark.parametrize(
    ("time_s", "kind"),
    [(98.9, "false"), (99.0, "found"), (104.0, "found"), (115.0, "found"), (115.1, "false")],
)
def test_an_alert_has_from_a_second_before_the_start_to_five_after_the_end(time_s: float, kind: str) -> None:
    judged = judge([fight(100.0, 110.0)], ("fight", time_s))
    assert kinds(judged) == [kind]
    assert judged.missed == (() if kind == "found" else (fight(100.0, 110.0),))


@pytest.mark.parametrize(
    ("time_s", "kind"),
    [(128.9, "false"), (129.0, "found"), (140.0, "found"), (140.1, "false"), (101.0, "false")],
)
def test_a_left_object_has_ten_seconds_from_its_dwell_time(time_s: float, kind: str) -> None:
    assert kinds(judge([bag(100.0, 180.0)], ("abandoned_object", time_s))) == [kind]


def test_an_object_fetched_in_time_is_no_incident_and_an_alert_of_it_is_false() -> None:
    judged = judge([bag(100.0, 125.0)], ("abandoned_object", 131.0))
    assert (kinds(judged), judged.missed) == (["false"], ())
    assert figures([judged])["abandoned_object"]["incidents"] == 0


def test_another_event_does_not_count() -> None:
    judged = judge([fight(100.0, 110.0)], ("fall", 104.0))
    assert (kinds(judged), len(judged.missed)) == (["false"], 1)


def test_further_alerts_are_duplicates_until_the_incident_is_over() -> None:
    judged = judge([fight(100.0, 110.0)], ("fight", 103.0), ("fight", 112.0), ("fight", 116.0))
    assert kinds(judged) == ["found", "duplicate", "false"]
    # A bag may be told of again long after the time in which it had to be found.
    times = [("abandoned_object", time_s) for time_s in (131.0, 170.0, 184.0, 186.0)]
    assert kinds(judge([bag(100.0, 180.0)], *times)) == ["found", "duplicate", "duplicate", "false"]


def test_an_alert_too_late_for_an_incident_that_nobody_told_of_is_no_duplicate() -> None:
    judged = judge([bag(100.0, 180.0)], ("abandoned_object", 150.0), ("abandoned_object", 160.0))
    assert (kinds(judged), len(judged.missed)) == (["false", "false"], 1)


def test_each_alert_finds_one_incident_the_earliest_first() -> None:
    first, second = fight(100.0, 104.0), fight(107.0, 112.0)
    judged = judge([second, first], ("fight", 108.5), ("fight", 108.0), ("fight", 109.0))
    assert [(one.alert.time_s, one.kind, one.annotation) for one in judged.verdicts] == [
        (108.0, "found", first),
        (108.5, "found", second),
        (109.0, "duplicate", second),
    ]


def test_two_incidents_at_the_same_time_want_two_alerts() -> None:
    twice = [fight(100.0, 110.0), fight(100.0, 110.0)]
    assert len(judge(twice, ("fight", 102.0)).missed) == 1
    assert kinds(judge(twice, ("fight", 102.0), ("fight", 103.0))) == ["found", "found"]


def test_normal_is_what_is_five_seconds_away_from_everything() -> None:
    annotated = recording(fight(2.0, 10.0), fight(50.0, 60.0), bag(55.0, 100.0), fight(200.0, 360.0))
    assert annotated.normal_stretches() == [(15.0, 45.0), (105.0, 195.0)]
    assert recording().normal_stretches() == [(0.0, 360.0)]
    judged = [match(annotated, []), match(recording(), [])]
    assert hours(judged) == pytest.approx(0.2)
    assert normal_hours(judged) == pytest.approx((30 + 90 + 360) / 3600)


def test_figures_of_all_recordings_by_event() -> None:
    judged = [
        judge(
            [fight(100.0, 110.0), fight(200.0, 210.0), fight(300.0, 310.0, "fall")],
            ("fight", 102.0),
            ("fight", 105.0),
            ("fall", 150.0),
            ("fall", 203.0),
        ),
        judge([fight(50.0, 60.0)], ("fight", 54.0), ("fight", 300.0)),
    ]
    found = figures(judged)
    fights, falls, everything = found["fight"], found["fall"], found[ALL]
    assert [fights[name] for name in ("incidents", "found", "told_once", "duplicates")] == [3, 2, 1, 1]
    assert fights["recall"]["mean"] == pytest.approx(2 / 3)
    assert fights["precision"]["mean"] == pytest.approx(2 / 3)
    assert fights["f1"] == pytest.approx(2 / 3)
    assert fights["delay_s"]["median"] == pytest.approx(3.0)
    assert fights["delay_s"]["p90"] == pytest.approx(3.8)
    assert (falls["recall"]["mean"], falls["precision"]["mean"], falls["f1"]) == (0.0, 0.0, 0.0)
    assert falls["delay_s"] is None
    assert (everything["incidents"], everything["found"], everything["false_alarms"]) == (4, 2, 3)
    # One of the false alarms came while there was a fight.
    assert everything["false_alarms_per_hour"]["mean"] == pytest.approx(3 / 0.2)
    assert everything["false_alarms_per_normal_hour"]["mean"] == pytest.approx(2 / normal_hours(judged))
    nothing = found["blast"]
    assert (nothing["recall"], nothing["precision"], nothing["f1"], nothing["boxes"]) == (None,) * 4


def test_delays_of_left_objects_begin_with_the_dwell_time_and_boxes_are_compared() -> None:
    near, far = (0.41, 0.6, 0.5, 0.8), (0.6, 0.6, 0.7, 0.8)
    alerts = [NewAlert("abandoned_object", time_s, box) for time_s, box in [(132.0, near), (234.0, far)]]
    judged = match(recording(bag(100.0, 180.0), bag(200.0, 280.0)), alerts)
    found = figures([judged])["abandoned_object"]
    assert found["delay_s"]["median"] == pytest.approx(3.0)
    assert found["boxes"]["right"]["mean"] == 0.5
    assert found["boxes"]["median_overlap"] == pytest.approx(0.45)


def test_boxes_overlap_by_their_intersection_over_their_union() -> None:
    assert overlap((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert overlap((0, 0, 1, 1), (2, 0, 3, 1)) == 0.0
    assert overlap((0, 0, 1, 1), (2, 2, 3, 3)) == 0.0
    assert overlap(BOX, BOX) == pytest.approx(1.0)


def test_intervals_are_the_published_ones_and_wide_even_where_nothing_went_wrong() -> None:
    eight = share(8, 10)
    assert eight
    assert (eight.low, eight.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    perfect, none = share(30, 30), rate(0, 2.0)
    assert perfect
    assert none
    assert perfect.low == pytest.approx(0.8865, abs=1e-4)
    assert perfect.high == 1.0
    # The exact bound is 3.689 events.
    assert (none.mean, none.low, none.high) == pytest.approx((0.0, 0.0, 3.689 / 2), rel=0.01)
    ten = rate(10, 2.0)
    assert ten
    assert (ten.low, ten.mean, ten.high) == pytest.approx((4.795 / 2, 5.0, 18.39 / 2), rel=0.01)
    assert share(0, 0) is None
    assert rate(3, 0.0) is None


def test_recordings_are_read_as_the_generator_lists_them(tmp_path: Path) -> None:
    events = [
        {"event": "fight", "start_s": 10.5, "end_s": 20.0},
        {"event": "abandoned_object", "start_s": 30.0, "end_s": 80.0, "box": list(BOX)},
    ]
    row = {"id": "r01", "path": "recordings/r01.mp4", "duration_s": 266.0, "events": events}
    listing = tmp_path / "recordings.jsonl"
    listing.write_text(json.dumps(row) + "\n\n", encoding="utf-8")
    expected = (fight(10.5, 20.0), Annotation("abandoned_object", 30.0, 80.0, 75.0, BOX))
    path = tmp_path / "recordings/r01.mp4"
    assert read_recordings(listing, dwell_s=45.0) == [Recording("r01", path, 266.0, expected)]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "names no recordings"),
        ("[1]", "line 1, is no JSON object"),
        ("{", "line 1, is not JSON"),
        ('{"id": "a", "path": "a.mp4", "events": []}', "line 1, is no recording.*duration_s"),
        (
            '{"id": "a", "path": "a.mp4", "duration_s": 9, "events": '
            '[{"event": "dance", "start_s": 1, "end_s": 2}]}',
            "dance from 1.0 to 2.0",
        ),
        (
            '{"id": "a", "path": "a.mp4", "duration_s": 9, "events": '
            '[{"event": "fall", "start_s": 3, "end_s": 2}]}',
            "fall from 3.0 to 2.0",
        ),
        (
            '{"id": "a", "path": "a.mp4", "duration_s": 9, "events": '
            '[{"event": "fall", "start_s": 1, "end_s": 2, "box": [0.5, 0, 0.4, 1]}]}',
            "box",
        ),
    ],
)
def test_lists_that_are_wrong_are_refused(tmp_path: Path, line: str, problem: str) -> None:
    listing = tmp_path / "recordings.jsonl"
    listing.write_text(line, encoding="utf-8")
    with pytest.raises(ArtifactError, match=problem):
        read_recordings(listing, DWELL_S)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_recordings(tmp_path / "recordings.jsonl", DWELL_S)


def told(state: str, camera: str, event: str, time_s: float, box: object = None) -> str:
    """A line as a watch writes it."""
    alert = Alert(state, "id", camera, event, 1.0, time_s, time_s, 0.9, 0.9, box=box)
    return json.dumps(alert_record(alert, latency_s=0.1, zone=None))


def test_new_alerts_are_read_from_what_a_watch_told(tmp_path: Path) -> None:
    lines = [
        told("new", "r01", "fight", 12.5),
        json.dumps(record("problem", "r01", problem="damaged packets")),
        told("update", "r01", "fight", 22.5),
        told("new", "r02", "abandoned_object", 40.0, BOX),
        told("end", "r01", "fight", 25.0),
        told("new", "r01", "fall", 60.0),
    ]
    path = tmp_path / "records.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert read_alerts(path) == {
        "r01": [NewAlert("fight", 12.5), NewAlert("fall", 60.0)],
        "r02": [NewAlert("abandoned_object", 40.0, BOX)],
    }


def test_an_alert_without_its_time_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text('{"record": "alert", "state": "new", "event": "fall", "camera": "r01"}\n')
    with pytest.raises(ArtifactError, match=r"line 1, is no alert.*time_s"):
        read_alerts(path)
