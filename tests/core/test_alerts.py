"""Whatever the scores do, an incident gives one alert: new, updates, end, with one id."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from trifuse.errors import ConfigurationError
from trifuse.systems.surveillance.calls import Assessment
from trifuse.systems.surveillance.contract import DECISIONS, EVENTS
from trifuse.systems.surveillance.scene.analyser import LeftObject
from trifuse.systems.surveillance.watch.alert_settings import AlertSettings
from trifuse.systems.surveillance.watch.alerts import AlertLogic
from trifuse.systems.surveillance.watch.incidents import Alert
from trifuse.systems.surveillance.watch.smoothing import Smoothing

WINDOW_S = 2.0


def assessment(
    threshold: float = 0.5, abnormal: float = 0.0, version: int = 1, **events: float
) -> Assessment:
    scores = dict.fromkeys(EVENTS, 0.0) | events
    return Assessment(abnormal, scores, dict.fromkeys(DECISIONS, threshold), version)


def rules(**changes: object) -> AlertSettings:
    """Rules under which every single window counts, unless they are changed."""
    plain = {
        "smoothing": Smoothing(1, 1),
        "end_share": 1.0,
        "quiet_s": 1.0,
        "cooldown_s": 0.0,
        "update_s": 1000.0,
    }
    return AlertSettings(**plain | changes)


def play(
    logic: AlertLogic, scores: list[float], event: str = "fight", first_s: float = WINDOW_S
) -> list[Alert]:
    """Feed one event's scores, a window a second; return all alerts."""
    told = []
    for index, score in enumerate(scores):
        end_s = first_s + index
        told += logic.update(end_s - WINDOW_S, end_s, assessment(**{event: score}))
    return told


def story(alerts: list[Alert]) -> list[tuple[str, float]]:
    return [(alert.state, alert.time_s) for alert in alerts]


def left(number: int, since_s: float = 1.0, unattended_s: float = 30.0) -> LeftObject:
    return LeftObject(box=(0.1, 0.2, 0.3, 0.4), since_s=since_s, unattended_s=unattended_s, id=number)


@pytest.fixture(scope="module", params=range(25))
def told(request: pytest.FixtureRequest) -> tuple[AlertSettings, list[Alert]]:
    """What is told of random scores under random settings."""
    rng = np.random.default_rng(request.param)
    n = int(rng.integers(1, 6))
    settings = AlertSettings(
        smoothing=Smoothing(int(rng.integers(1, n + 1)), n),
        end_share=float(rng.uniform(0.3, 1.0)),
        quiet_s=float(rng.integers(0, 5)),
        cooldown_s=float(rng.integers(0, 12)),
        update_s=float(rng.integers(1, 8)),
        events=DECISIONS,
    )
    logic, alerts, end_s = AlertLogic("gate", settings), [], 2.0
    for _ in range(200):
        end_s += 40.0 if rng.random() < 0.02 else 1.0
        levels = dict(zip(EVENTS, rng.beta(0.5, 0.8, len(EVENTS)).tolist(), strict=True))
        objects = [left(number) for number in (1, 2, 3) if rng.random() < 0.4]
        seen = assessment(abnormal=float(rng.random()), **levels)
        alerts += logic.update(end_s - WINDOW_S, end_s, seen, objects)
        if rng.random() < 0.02:
            alerts += logic.close(end_s, "camera silent")
    return settings, alerts + logic.close(end_s, "the recording ended")


class TestRandomScores:
    """Properties that hold for every sequence of scores and every setting."""

    def test_an_incident_is_new_once_then_updated_then_ended_once(self, told):
        incidents: dict[str, list[Alert]] = defaultdict(list)
        for alert in told[1]:
            incidents[alert.id].append(alert)
        assert len(incidents) > 10
        for alerts in incidents.values():
            states = [alert.state for alert in alerts]
            assert states == ["new"] + ["update"] * (len(states) - 2) + ["end"]
            assert len({(alert.camera, alert.event, alert.started_s) for alert in alerts}) == 1
            times = [alert.time_s for alert in alerts]
            assert times == sorted(times)
            assert all(one.started_s <= one.until_s <= one.time_s for one in alerts)
            peaks = [alert.peak for alert in alerts]
            assert peaks == sorted(peaks)

    def test_one_event_has_one_open_incident_and_a_pause_after_it(self, told):
        settings, alerts = told
        open_ids: dict[str, str] = {}
        ended_s: dict[str, float] = {}
        for alert in alerts:
            if alert.event == "abandoned_object":
                continue
            if alert.state == "new":
                assert alert.event not in open_ids
                assert alert.time_s >= ended_s.get(alert.event, -1e9) + settings.cooldown_s
                open_ids[alert.event] = alert.id
            else:
                assert open_ids[alert.event] == alert.id
            if alert.state == "end":
                del open_ids[alert.event]
                ended_s[alert.event] = alert.time_s
        assert not open_ids

    def test_updates_keep_their_distance(self, told):
        settings, alerts = told
        last_s: dict[str, float] = {}
        for alert in alerts:
            if alert.state == "update":
                assert alert.time_s - last_s[alert.id] >= settings.update_s
            last_s[alert.id] = alert.time_s

    def test_a_new_alert_is_never_below_its_threshold(self, told):
        new = [one for one in told[1] if one.state == "new" and one.event != "abandoned_object"]
        assert min(alert.score for alert in new) >= 0.5


class TestThresholds:
    def test_the_served_threshold_decides(self):
        logic = AlertLogic("gate", rules())
        assert not logic.update(0, 2, assessment(threshold=0.61, fight=0.6))
        assert story(logic.update(1, 3, assessment(threshold=0.6, fight=0.6))) == [("new", 3)]

    def test_a_score_of_ones_own_takes_its_place_for_that_event(self):
        logic = AlertLogic("gate", rules(min_scores={"fight": 0.9}))
        told = logic.update(0, 2, assessment(fight=0.8, fall=0.8))
        assert [alert.event for alert in told] == ["fall"]
        assert [alert.event for alert in logic.update(1, 3, assessment(fight=0.9, fall=0.8))] == ["fight"]

    def test_only_the_events_asked_for_are_told(self):
        logic = AlertLogic("gate", rules(events=("fall",)))
        told = logic.update(0, 2, assessment(fight=1.0, fall=1.0), [left(1)])
        assert [alert.event for alert in told] == ["fall"]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"events": ("picnic",)}, "no such event"),
            ({"min_scores": {"picnic": 0.5}}, "no such event"),
            ({"min_scores": {"fight": 0.0}}, "score of fight"),
            ({"min_scores": {"fight": 1.5}}, "score of fight"),
            ({"end_share": 0.0}, "end_share"),
            ({"end_share": 1.2}, "end_share"),
            ({"cooldown_s": -1.0}, "cooldown_s"),
        ],
    )
    def test_rules_that_cannot_be_are_refused(self, changes, message):
        with pytest.raises(ConfigurationError, match=message):
            rules(**changes)


class TestSmoothing:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [("2/3", Smoothing(2, 3)), ("1/1", Smoothing(1, 1)), ("median/5", Smoothing(3, 5))],
    )
    def test_it_is_read(self, text, expected):
        assert Smoothing.parse(text) == expected

    @pytest.mark.parametrize("text", ["", "3/2", "0/3", "median/4", "mean/3", "2", "2/3/4", "-1/2"])
    def test_what_is_none_is_refused(self, text):
        with pytest.raises(ConfigurationError, match="no such smoothing"):
            Smoothing.parse(text)

    def test_the_median_is_numpys(self):
        rng = np.random.default_rng(0)
        for n in (1, 3, 5, 7):
            scores = rng.random(n).tolist()
            assert Smoothing.parse(f"median/{n}")(scores) == np.median(scores)

    def test_k_of_n_windows_raise_it_and_fewer_do_not(self):
        settings = rules(smoothing=Smoothing(2, 3))
        assert story(play(AlertLogic("gate", settings), [0.9, 0, 0, 0.9, 0, 0])) == []
        assert story(play(AlertLogic("gate", settings), [0.9, 0, 0.9]))[0] == ("new", 4)
        assert story(play(AlertLogic("gate", settings), [0.9, 0, 0, 0.9, 0.9]))[0] == ("new", 6)

    def test_the_incident_begins_with_the_first_window_that_counted(self):
        (alert,) = play(AlertLogic("gate", rules(smoothing=Smoothing(2, 3))), [0.1, 0.9, 0.1, 0.8])
        assert (alert.started_s, alert.time_s, alert.score) == (1.0, 5.0, 0.8)

    def test_windows_far_apart_do_not_count_together(self):
        logic = AlertLogic("gate", rules(smoothing=Smoothing(2, 3)))
        assert not play(logic, [0.9])
        assert not play(logic, [0.9], first_s=30.0)
        assert story(play(logic, [0.9], first_s=31.0)) == [("new", 31.0)]


class TestHysteresis:
    def test_between_the_two_thresholds_nothing_begins_and_nothing_ends(self):
        settings = rules(end_share=0.6)
        assert not play(AlertLogic("gate", settings), [0.4] * 20)
        assert story(play(AlertLogic("gate", settings), [0.6] + [0.31] * 20)) == [("new", 2)]

    def test_below_the_lower_one_it_ends_after_the_quiet_time(self):
        told = play(AlertLogic("gate", rules(end_share=0.6, quiet_s=3.0)), [0.6, 0.4, 0.29, 0.29, 0.29, 0.29])
        assert story(told) == [("new", 2), ("end", 6)]
        assert [alert.until_s for alert in told] == [2, 3]

    def test_a_dip_shorter_than_the_quiet_time_changes_nothing(self):
        told = play(AlertLogic("gate", rules(quiet_s=3.0)), [0.9, 0, 0, 0.9, 0, 0, 0.9, 0, 0, 0])
        assert story(told) == [("new", 2), ("end", 11)]

    def test_flicker_about_the_threshold_is_one_incident(self):
        flicker = [0.55, 0.45] * 30
        told = play(AlertLogic("gate", AlertSettings(update_s=1000)), flicker + [0.0] * 10)
        assert [alert.state for alert in told] == ["new", "end"]


class TestCooldown:
    def test_nothing_is_new_in_it(self):
        logic = AlertLogic("gate", rules(cooldown_s=5.0))
        told = play(logic, [0.9, 0, 0.9, 0, 0.9, 0, 0, 0])
        assert story(told) == [("new", 2), ("end", 3)]

    def test_what_goes_on_after_it_is_told_then(self):
        told = play(AlertLogic("gate", rules(cooldown_s=5.0)), [0.9, 0] + [0.9] * 6)
        assert story(told) == [("new", 2), ("end", 3), ("new", 8)]
        assert told[0].id != told[2].id

    def test_it_is_the_events_own(self):
        logic = AlertLogic("gate", rules(cooldown_s=100.0))
        play(logic, [0.9, 0.0])
        assert [alert.event for alert in play(logic, [0.9], "fall", first_s=4.0)] == ["fall"]


class TestAbnormalWithoutType:
    def test_it_is_silent_unless_asked_for(self):
        assert not AlertLogic("gate", rules()).update(0, 2, assessment(abnormal=1.0))
        told = AlertLogic("gate", rules(events=DECISIONS)).update(0, 2, assessment(abnormal=1.0))
        assert [alert.event for alert in told] == ["abnormal"]

    def test_an_incident_with_a_type_is_not_told_twice(self):
        logic = AlertLogic("gate", rules(events=DECISIONS))
        assert [one.event for one in logic.update(0, 2, assessment(abnormal=1.0, fight=1.0))] == ["fight"]
        assert not logic.update(1, 3, assessment(abnormal=1.0, fight=1.0))

    def test_an_object_left_behind_has_a_type(self):
        logic = AlertLogic("gate", rules(events=DECISIONS))
        told = logic.update(0, 2, assessment(abnormal=1.0), [left(1)])
        assert [one.event for one in told] == ["abandoned_object"]


class TestObjectsLeftBehind:
    def test_each_is_an_incident_with_its_box(self):
        logic = AlertLogic("gate", rules())
        first = logic.update(30, 32, assessment(abandoned_object=0.7), [left(1)])
        second = logic.update(31, 33, assessment(abandoned_object=0.7), [left(1, unattended_s=31.0), left(2)])
        assert [(one.state, one.box, one.unattended_s, one.started_s) for one in first] == [
            ("new", (0.1, 0.2, 0.3, 0.4), 30.0, 1.0)
        ]
        assert [one.state for one in second] == ["new"]
        assert first[0].id != second[0].id
        assert first[0].scores["abandoned_object"] == first[0].score == 0.7

    def test_it_ends_when_the_object_has_been_gone_for_the_quiet_time(self):
        logic = AlertLogic("gate", rules(quiet_s=2.0))
        (new,) = logic.update(0, 2, assessment(), [left(1)])
        assert not logic.update(1, 3, assessment(), [])
        assert not logic.update(2, 3.5, assessment(), [left(1)])
        assert not logic.update(3, 5, assessment(), [])
        (end,) = logic.update(4, 6, assessment(), [])
        assert (end.state, end.id, end.box) == ("end", new.id, new.box)

    def test_it_is_told_again_as_it_goes_on(self):
        logic = AlertLogic("gate", rules(update_s=2.0))
        told = [
            alert
            for second in range(6)
            for alert in logic.update(second, second + 2, assessment(), [left(1, unattended_s=30 + second)])
        ]
        assert [(one.state, one.unattended_s) for one in told] == [
            ("new", 30),
            ("update", 32),
            ("update", 34),
        ]


def test_a_camera_that_shows_nothing_more_ends_its_incidents():
    logic = AlertLogic("gate", rules())
    new = logic.update(0, 2, assessment(fight=1.0), [left(1)])
    ended = logic.close(7.0, "camera silent")
    assert {one.id for one in ended} == {one.id for one in new}
    assert {(one.state, one.time_s, one.reason) for one in ended} == {("end", 7.0, "camera silent")}
    assert not logic.close(8.0, "camera silent")


def test_an_alert_carries_all_scores_and_the_version_that_gave_them():
    (alert,) = AlertLogic("gate", rules()).update(
        0, 2, assessment(abnormal=0.8, version=7, fight=0.9, fall=0.3)
    )
    assert alert.version == 7
    assert alert.scores["abnormal"] == 0.8
    assert (alert.scores["fight"], alert.scores["fall"]) == (0.9, 0.3)


def test_cameras_do_not_share_incidents():
    told = [
        alert
        for camera in ("gate", "hall")
        for alert in AlertLogic(camera, rules()).update(0, 2, assessment(fight=1.0))
    ]
    assert [alert.camera for alert in told] == ["gate", "hall"]
    assert told[0].id != told[1].id
