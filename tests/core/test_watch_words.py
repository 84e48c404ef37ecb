"""Windows get the words that belong to them: subtitles of all kinds, and transcripts that grow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.core.movies import movie, tone
from tests.core.test_watch_windows import windows
from trifuse.errors import ArtifactError
from trifuse.preprocessing.subtitles import Cue
from trifuse.systems.surveillance.watch.sources import Source
from trifuse.systems.surveillance.watch.words import Transcript, Words

CUES = [(0.2, 0.8, "good morning"), (2.6, 3.4, "give me <b>the</b> money")]
TEXTS = ["good morning", "give me the money", "give me the money", "give me the money"]
SRT = (
    "1\n00:00:00,200 --> 00:00:00,800\ngood morning\n\n2\n00:00:02,600 --> 00:00:03,400\ngive me the money\n"
)


def texts(path: Path) -> list[str | None]:
    return [one.text for one in windows(path)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_files_own_subtitles(tmp_path, suffix):
    path = movie(tmp_path / f"a{suffix}", seconds=5.0, cues=CUES, sound=tone(5.0))
    assert texts(path) == TEXTS


@pytest.mark.parametrize(("suffix", "head"), [(".srt", ""), (".vtt", "WEBVTT\n\n")])
def test_a_file_beside_it_has_its_say_over_them(tmp_path, suffix, head):
    path = movie(tmp_path / "a.mp4", seconds=5.0, cues=[(0.0, 5.0, "nothing")])
    path.with_suffix(suffix).write_text(head + SRT.replace(",", "." if head else ","), encoding="utf-8")
    assert texts(path) == TEXTS


def test_silence_is_not_the_absence_of_subtitles(tmp_path):
    assert texts(movie(tmp_path / "a.mp4", seconds=4.0, cues=[(0.2, 0.8, "hello")]))[-1] == ""
    assert texts(movie(tmp_path / "b.mp4", seconds=4.0))[-1] is None


def test_subtitles_that_cannot_be_read_are_an_error_before_the_watch(tmp_path):
    (tmp_path / "a.srt").write_text("no times at all")
    with pytest.raises(ArtifactError, match=r"a\.srt"):
        Words.of(Source("a", str(tmp_path / "a.mp4"), live=False))


class TestTranscript:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "said.jsonl"

    @pytest.fixture
    def words(self, path: Path) -> Words:
        return Words.of(Source("gate", "rtsp://camera", live=True), path)

    def say(self, path: Path, time_s: object, text: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time_s, "text": text}) + "\n")

    def test_lines_are_heard_as_they_come(self, path, words):
        assert words.between(0, 2) == ""
        self.say(path, 2.5, "举起手来")
        assert words.between(1, 3) == "举起手来"
        assert words.between(4, 6) == "举起手来"
        assert words.between(5, 7) == ""

    def test_a_line_that_comes_late_is_not_lost(self, path, words):
        words.between(8, 10)
        self.say(path, 3.0, "this is a robbery")
        assert words.between(9, 11) == "this is a robbery"
        assert words.between(11, 13) == ""

    def test_a_line_that_is_ahead_waits_for_its_window(self, path, words):
        self.say(path, 5.5, "later")
        assert [words.between(start, start + 2) for start in range(5)] == ["", "", "", "", "later"]

    def test_half_a_line_waits_for_its_other_half(self, path, words):
        path.write_text('{"time": 0.5, "te')
        assert words.between(0, 2) == ""
        with path.open("a") as file:
            file.write('xt": "now"}\n')
        assert words.between(1, 3) == "now"
        assert words.unreadable_lines == 0

    def test_a_file_that_begins_again_is_read_again(self, path, words):
        self.say(path, 0.0, "first, and rather long")
        assert words.between(0, 2) == "first, and rather long"
        path.write_text("")
        assert words.between(3, 5) == ""
        self.say(path, 6.0, "second")
        assert words.between(5, 7) == "second"

    def test_what_is_no_line_is_counted(self, path, words):
        path.write_bytes(b'not json\n{"time": "x", "text": "a"}\n[1]\n\xff\xfe\n{"text": "a"}\n\n')
        self.say(path, float("nan"), "never")
        self.say(path, 0.5, "good")
        assert words.between(0, 2) == "good"
        assert words.unreadable_lines == 6

    def test_a_line_without_end_does_not_fill_the_memory(self, path):
        path.write_bytes(b"x" * (3 * 2**20))
        transcript = Transcript(path)
        for _ in range(4):
            assert not list(transcript.read())
        self.say(path, 1.0, "after it")
        assert list(transcript.read()) == [(1.0, "after it")]

    def test_it_adds_to_the_streams_own(self, path, words):
        words.connect(has_track=True)
        words.add(Cue(0.5, 1.5, "shown"))
        self.say(path, 1.0, "said")
        assert words.between(0, 2) == "shown said"
