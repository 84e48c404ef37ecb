"""The report on a lesson: what is told of the class and of whom, and what is never kept."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from trifuse.errors import ArtifactError, ConfigurationError, InputError
from trifuse.preprocessing.audio import AudioSettings
from trifuse.preprocessing.video import VideoSettings
from trifuse.preprocessing.window import Window
from trifuse.synthesis.movie import Line, Movie, write_movie
from trifuse.systems.learning.calls import Observation
from trifuse.systems.learning.contract import ABSENT, BEHAVIOURS, contract
from trifuse.systems.learning.report.agreement import agreement
from trifuse.systems.learning.report.findings import findings, phases
from trifuse.systems.learning.report.page import CLASS_TABLE, LEARNERS_TABLE, PAGE, PICTURE, write_report
from trifuse.systems.learning.report.recordings import Recording, find_recordings, pseudonym, read_key
from trifuse.systems.learning.report.scores import ScoreTable, WindowScore, read_scores, write_scores
from trifuse.systems.learning.report.scoring import complete, score, starts_of
from trifuse.systems.learning.report.summary import summarise

SETTINGS = contract("smoke").settings
VIDEO, AUDIO = VideoSettings.of(SETTINGS), AudioSettings.of(SETTINGS)
WINDOW_S = 5.0
FROZEN = -1


def observation(behaviour: str = "attentive", level: int = 3, version: int = 7) -> Observation:
    behaviours = {name: 0.94 if name == behaviour else 0.01 for name in BEHAVIOURS}
    return Observation(behaviours, tuple(1.0 if number == level else 0.0 for number in range(4)), version)


def scores(learner: str, *levels: int | str | None) -> list[WindowScore]:
    """A window each: a level of attention, a behaviour, or None where nothing was seen."""
    told = [
        None if one is None else observation(one) if isinstance(one, str) else observation(level=one)
        for one in levels
    ]
    return [
        WindowScore("maths", learner, index * WINDOW_S, (index + 1) * WINDOW_S, one)
        for index, one in enumerate(told)
    ]


class Brightness:
    """Tells the level from how bright a window is; counts what it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def observe_many(self, windows: Sequence[Window]) -> list[Observation]:
        self.asked += len(windows)
        return [observation(level=_level(window)) for window in windows]


def _level(window: Window) -> int:
    assert window.frames is not None
    return int(window.frames.mean() // 64)


def film(path: Path, brightness: Sequence[int]) -> Path:
    """Five seconds for each brightness; 0 is black, and of FROZEN one picture is repeated."""
    rng = np.random.default_rng(0)
    still = np.repeat(np.linspace(60, 200, 64, dtype=np.uint8)[None, :, None], 48, axis=0).repeat(3, axis=2)
    frames = [
        still if value == FROZEN else grainy(value, rng)
        for value in brightness
        for _ in range(int(WINDOW_S) * 4)
    ]
    line = Line(0.0, 4.0, "a secret of the class")
    write_movie(path, Movie(frames, 4, (64, 48), 20, None, [line]), "test")
    return path


def grainy(value: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.clip(value + rng.normal(0, 12 if value else 0, (48, 64, 3)), 0, 255).astype(np.uint8)


def recording(path: Path, seconds: float, learner: str = "kim") -> Recording:
    return Recording(path, "maths", learner, consent=True, duration_s=seconds)


def observed(of: Recording, observer: Brightness) -> list[WindowScore]:
    starts_s = starts_of(of, WINDOW_S)
    return [one for batch in score(of, starts_s, VIDEO, AUDIO, observer) for one in batch]


def run(table: Path, recordings: Sequence[Recording]) -> int:
    """Observe what a table lacks of recordings; returns how many windows that were."""
    observer, scores = Brightness(), ScoreTable(table, recordings)
    for one in recordings:
        *_, last = complete(scores, one, VIDEO, AUDIO, observer)
        assert last == len(starts_of(one, WINDOW_S))
    return observer.asked


def test_windows_are_cut_and_observed_in_order(tmp_path: Path) -> None:
    path = film(tmp_path / "kim.mp4", (40, 100, 160, 220))
    found = observed(recording(path, 20), Brightness())
    assert [one.attention for one in found] == [0, 1, 2, 3]
    assert [(one.start_s, one.end_s) for one in found] == [(0, 5), (5, 10), (10, 15), (15, 20)]


@pytest.mark.parametrize("unusable", [0, FROZEN])
def test_a_black_or_frozen_picture_is_not_sent_and_not_zero(tmp_path: Path, unusable: int) -> None:
    observer = Brightness()
    path = film(tmp_path / "kim.mp4", (160, unusable, 160))
    found = observed(recording(path, 15), observer)
    assert [one.attention for one in found] == [2, None, 2]
    assert observer.asked == 2


def test_a_file_that_breaks_off_is_not_observed_from_there_on(tmp_path: Path) -> None:
    path = film(tmp_path / "kim.mp4", (160,))
    found = observed(recording(path, 15), Brightness())
    assert [one.observation is None for one in found] == [False, True, True]


def test_a_stopped_run_asks_only_for_the_rest(tmp_path: Path) -> None:
    kim = recording(film(tmp_path / "kim.mp4", (40, 100, 160)), 15)
    lee = recording(film(tmp_path / "lee.mp4", (220,)), 5, "lee")
    table = tmp_path / "scores.csv"
    # What is known need not be the beginning.
    write_scores(table, scores("kim", 0, 1, 2)[1:])
    assert run(table, [kim]) == 1
    assert run(table, [lee, kim]) == 1
    assert run(table, [kim, lee]) == 0
    assert {(one.learner, one.start_s): one.attention for one in read_scores(table)} == {
        ("kim", 0): 0,
        ("kim", 5): 1,
        ("kim", 10): 2,
        ("lee", 0): 3,
    }


def test_a_recording_that_changed_is_observed_again(tmp_path: Path) -> None:
    path, table = film(tmp_path / "kim.mp4", (40, 40)), tmp_path / "scores.csv"
    assert run(table, [recording(path, 10)]) == 2
    film(path, (220, 220))
    later_s = table.stat().st_mtime + 1
    os.utime(path, (later_s, later_s))
    assert run(table, [recording(path, 10)]) == 2
    assert [one.attention for one in read_scores(table)] == [3, 3]


def test_names_do_not_outlive_their_pseudonyms(tmp_path: Path) -> None:
    listing = manifest(tmp_path)
    table = tmp_path / "report" / "scores.csv"
    run(table, find_recordings([listing]))
    assert "kim" in table.read_text(encoding="utf-8")
    run(table, find_recordings([listing], b"0123456789abcdef"))
    assert "kim" not in table.read_text(encoding="utf-8")


def test_nothing_is_kept_of_pictures_and_words(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    recordings = [
        recording(film(tmp_path / f"{name}.mp4", (160, 220)), 10, name) for name in ("kim", "lee", "max")
    ]
    run(folder / "scores.csv", recordings)
    told = read_scores(folder / "scores.csv")
    write_report(folder, [summarise("maths", told, ["kim"], WINDOW_S)])
    kept = {path.name: path.read_bytes() for path in folder.rglob("*")}
    assert kept.keys() == {"scores.csv", PAGE, PICTURE, CLASS_TABLE, LEARNERS_TABLE}
    assert not any(b"secret" in content for content in kept.values())


def test_scores_are_kept_to_the_digit_and_nothing_else(tmp_path: Path) -> None:
    table = tmp_path / "scores.csv"
    given = scores("kim", 3, None, ABSENT, "using_phone")
    write_scores(table, given)
    again = read_scores(table)
    assert [(one.behaviour, one.attention, one.start_s) for one in again] == [
        (one.behaviour, one.attention, one.start_s) for one in given
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]
    columns = next(csv.reader(table.open(encoding="utf-8")))
    assert not {"text", "frames", "pcm"} & set(columns)
    table.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match="no table of scores"):
        read_scores(table)


def test_too_little_data_is_a_gap_and_absence_is_no_inattention() -> None:
    told = [*scores("kim", 3, 1, None), *scores("lee", 3, ABSENT, None), *scores("max", 0, 2, 2)]
    summary = summarise("maths", told, [], WINDOW_S)
    first, second, third = summary.bins
    assert first.attention is not None
    assert first.attention[0] == pytest.approx(2)
    # With one of three absent, two levels are left: too few to be about the class.
    assert second.attention is None
    assert second.present == pytest.approx(2 / 3)
    assert (third.attention, third.shares, third.present) == (None, None, None)
    assert third.observed == pytest.approx(1 / 3)


def test_a_class_of_two_is_not_told_of(tmp_path: Path) -> None:
    summary = summarise("maths", [*scores("kim", 3), *scores("lee", 0)], ["kim"], WINDOW_S)
    assert not summary.bins
    assert "too few" in findings(summary)[0]
    # Neither now nor from a report before.
    (tmp_path / PICTURE).write_bytes(b"a class of three")
    write_report(tmp_path, [summary])
    assert len((tmp_path / CLASS_TABLE).read_text(encoding="utf-8").splitlines()) == 1
    assert not (tmp_path / PICTURE).exists()


def test_what_stands_out_has_numbers(tmp_path: Path) -> None:
    told = [*scores("kim", 3, 0, 2), *scores("lee", 3, 1, 2), *scores("max", 3, 2, ABSENT), *scores("pat", 3)]
    summary = summarise("maths", told, [], WINDOW_S)
    least, most = phases(summary)
    assert [(one.start_s, one.attention, one.present) for one in (*least, *most)] == [(5, 1, 1), (0, 3, 1)]
    assert findings(summary) == [
        "There was not enough data for 1 of 3 parts of the lesson.",
        "The class attended most from 0:00 (level 3.0 of 3), and least from 0:05 (level 1.0).",
        "From 0:05, the most frequent behaviour was “attentive” (100% of what was observed).",
        "89% were present on average, the fewest from 0:10 (67%).",
    ]
    write_report(tmp_path, [summary])
    page = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert "<td>least</td><td>0:05 – 0:10</td>" in page
    assert "Told by model version: 7." in page


def test_a_lesson_told_by_two_versions_says_so(tmp_path: Path) -> None:
    updated = WindowScore("maths", "kim", 5.0, 10.0, observation(version=8))
    write_report(tmp_path, [summarise("maths", [*scores("kim", 3), updated], [], WINDOW_S)])
    assert "Told by model version: 7, 8." in (tmp_path / PAGE).read_text(encoding="utf-8")


def test_only_who_agreed_is_named_anywhere(tmp_path: Path) -> None:
    told = [one for name in ("kimberley", "leonora", "maximilian") for one in scores(name, 3, 2, 1)]
    summary = summarise("maths", told, ["kimberley"], WINDOW_S)
    assert (len(summary.individuals), summary.withheld, summary.learners) == (1, 2, 3)
    write_report(tmp_path, [summary])
    for name in (PAGE, CLASS_TABLE, LEARNERS_TABLE):
        content = (tmp_path / name).read_text(encoding="utf-8")
        assert "leonora" not in content
        assert "maximilian" not in content
    assert "kimberley" in (tmp_path / LEARNERS_TABLE).read_text(encoding="utf-8")
    assert "2 of 3 learners have no consent" in (tmp_path / PAGE).read_text(encoding="utf-8")


def test_an_individual_with_little_data_has_no_figure(tmp_path: Path) -> None:
    told = [*scores("kim", 0, None, None), *scores("lee", 1, 1, 1), *scores("max", 1, 1, 1)]
    summary = summarise("maths", told, ["kim"], WINDOW_S)
    assert summary.individuals[0].attention is None
    write_report(tmp_path, [summary])
    assert "Not enough data" in (tmp_path / PAGE).read_text(encoding="utf-8")


def test_names_are_text_and_not_markup(tmp_path: Path) -> None:
    told = [one for name in ("<b>kim</b>", "lee", "max") for one in scores(name, 3)]
    write_report(tmp_path, [summarise("maths", told, ["<b>kim</b>"], WINDOW_S)])
    assert "<b>kim" not in (tmp_path / PAGE).read_text(encoding="utf-8")


def manifest(folder: Path, **changed: object) -> Path:
    row = {"path": "kim.mp4", "lesson": "maths", "learner": "kim", "consent": True, "duration_s": 5.0}
    listing = folder / "lesson.jsonl"
    film(folder / "kim.mp4", (100,))
    listing.write_text(json.dumps(row | changed) + "\n", encoding="utf-8")
    return listing


def test_consent_must_be_on_record(tmp_path: Path) -> None:
    assert find_recordings([manifest(tmp_path)])[0].consent
    assert find_recordings([tmp_path])[0].consent
    for answer in (None, False, "yes", 1):
        assert not find_recordings([manifest(tmp_path, consent=answer)])[0].consent
    lone = find_recordings([film(tmp_path / "lee.mp4", (100,))])[0]
    assert (lone.learner, lone.consent) == ("lee", False)
    assert lone.duration_s == pytest.approx(5, abs=0.3)


def test_a_wrong_lesson_is_named_with_its_line(tmp_path: Path) -> None:
    listing = manifest(tmp_path)
    listing.write_text(listing.read_text(encoding="utf-8") + '{"path": "x.mp4"}\n', encoding="utf-8")
    with pytest.raises(ArtifactError, match="line 2, is no recording of a lesson"):
        find_recordings([listing])


def test_a_missing_file_is_an_error_and_not_an_absence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nobody\.mp4 is not a recording that can be read"):
        find_recordings([manifest(tmp_path, path="nobody.mp4")])


def test_a_learner_has_one_recording_in_a_lesson(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="several recordings of a lesson: got 2 of kim in maths"):
        find_recordings([manifest(tmp_path), tmp_path])


def test_pseudonyms_depend_on_the_key_alone(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef")
    named = find_recordings([manifest(tmp_path)], read_key(key))[0].learner
    assert named == pseudonym("kim", b"0123456789abcdef") != pseudonym("kim", b"another key of 16")
    assert "kim" not in named
    assert len(named) == 10
    key.write_bytes(b"short")
    with pytest.raises(ConfigurationError, match="the key is too short"):
        read_key(key)


def test_agreement_by_hand() -> None:
    told = [*scores("kim", 3, 1, None, 0), *scores("lee", 2, ABSENT, 1, 2)]
    truth = {
        "kim": [
            {"start_s": 0.0, "end_s": 10.0, "behaviour": "attentive", "attention": 3},
            {"start_s": 10.0, "end_s": 20.0, "behaviour": "looking_away", "attention": 0},
        ],
        "lee": [
            {"start_s": 0.0, "end_s": 5.0, "behaviour": "attentive", "attention": 2},
            {"start_s": 5.0, "end_s": 10.0, "behaviour": ABSENT},
            # The third window is between two acts, and the fourth after the last.
            {"start_s": 10.0, "end_s": 12.5, "behaviour": "attentive", "attention": 1},
        ],
    }
    found = agreement(told, truth, 10.0)
    assert found["windows"] == 5
    assert found["accuracy"] == pytest.approx(4 / 5)
    assert found["mean_absolute_error"] == pytest.approx((0 + 2 + 0 + 0) / 4)
    assert found["ordinal_mse"] == pytest.approx((0 + 4 + 0 + 0) / 4)
    # Bins: told (3 + 1 + 2) / 3 and 0, true (3 + 3 + 2) / 3 and 0.
    assert found["class_curve_correlation"] == pytest.approx(1)


def test_nothing_to_compare_is_an_error() -> None:
    acts = [{"start_s": 0.0, "end_s": 5.0, "behaviour": "attentive", "attention": 1}]
    with pytest.raises(InputError, match="no truth of some learners: got kim"):
        agreement(scores("kim", 1), {"lee": acts}, WINDOW_S)
    with pytest.raises(InputError, match="no window of the report"):
        agreement(scores("kim", None), {"kim": acts}, WINDOW_S)
