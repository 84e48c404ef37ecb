from __future__ import annotations

from pathlib import Path

import pytest

from trifuse.errors import ArtifactError, InputError
from trifuse.preprocessing.subtitles import Cue, parse_subtitles, read_subtitles, text_between

SRT = """1
00:00:01,000 --> 00:00:02,500
Help me!
He has a knife

2
01:00:00,5 --> 01:00:01,500
你好
"""
VTT = """WEBVTT - made by hand
Kind: captions

STYLE
::cue { color: red }

NOTE 00:09.000 is when it starts

intro
00:01.000 --> 00:02.500 align:start position:10%
<v Ann>Help &amp; <i>water</i><00:01.900> now

01:00:00.500 --> 01:00:01.500
你好
"""


def test_srt_gives_times_and_lines() -> None:
    assert parse_subtitles(SRT) == [
        Cue(1.0, 2.5, "Help me!\nHe has a knife"),
        Cue(3600.5, 3601.5, "你好"),
    ]


def test_vtt_has_names_settings_notes_styles_and_optional_hours() -> None:
    assert [cue[:2] for cue in parse_subtitles(VTT)] == [(1.0, 2.5), (3600.5, 3601.5)]
    assert text_between(parse_subtitles(VTT), 0, 5) == "Help & water now"


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark_change_nothing(newline: str) -> None:
    assert parse_subtitles("\ufeff" + SRT.replace("\n", newline)) == parse_subtitles(SRT)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<b>run</b> <font color='#f00'>now</font>", "run now"),
        (r"{\an8}{\i1}run{\i0}\Nnow\hthen", "run now then"),
        ("if a < b and c > d", "if a < b and c > d"),
        ("I <3 you {smile}", "I <3 you {smile}"),
        ("&lt;bang&gt;", "<bang>"),
        (" two \n lines ", "two lines"),
    ],
)
def test_markup_is_left_out_and_nothing_else(text: str, plain: str) -> None:
    assert text_between([Cue(0, 1, text)], 0, 1) == plain


def test_cues_that_overlap_the_window_are_joined_in_order_of_time() -> None:
    cues = [Cue(3, 4, "late"), Cue(0, 1, "over"), Cue(0, 9, "long"), Cue(1.9, 2.1, "edge"), Cue(2.5, 2.6, "")]
    assert text_between(cues, 1, 3) == "long edge"
    assert text_between(cues, 3, 4) == "long late"
    assert text_between(cues, 20, 22) == ""


def test_cues_with_bad_times_are_skipped() -> None:
    content = (
        "1\n00:00:xx,000 --> 00:00:02,000\nbroken\n\n2\n00:00:05,000 --> 00:00:04,000\nbackwards\n\n"
        "3\n00:99:00,000 --> 00:99:01,000\nno such minute\n\n"
        "4\n00:00:06,000 --> 00:00:07,000\ngood --> better"
    )
    assert parse_subtitles(content) == [Cue(6, 7, "good --> better")]


def test_a_missing_blank_line_does_not_mix_cues() -> None:
    content = "1\n00:00:01,000 --> 00:00:02,000\none\n2\n00:00:03,000 --> 00:00:04,000\n2 two\n"
    assert parse_subtitles(content) == [Cue(1, 2, "one"), Cue(3, 4, "2 two")]


@pytest.mark.parametrize("content", ["", " \n\n", "\ufeff", "WEBVTT\n\nNOTE nobody speaks\n"])
def test_files_without_cues_are_silent(content: str) -> None:
    assert parse_subtitles(content) == []


@pytest.mark.parametrize(
    "content", ["\n\nDear diary,\nnothing", "[Script Info]\nTitle: x", "WEBVTT\n\n00:aa --> 00:bb\nx"]
)
def test_other_files_are_refused_with_their_first_line(content: str) -> None:
    with pytest.raises(
        InputError, match=r"no subtitle could be read: got .*(Dear diary,|\[Script Info\]|WEBVTT)'"
    ):
        parse_subtitles(content)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_chinese_files_of_any_age_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "old.srt"
    path.write_bytes(SRT.encode(encoding))
    assert read_subtitles(path) == parse_subtitles(SRT)


def test_old_western_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "old.srt"
    path.write_bytes("1\n00:00:01,000 --> 00:00:02,000\nil est arrivé là\n".encode("cp1252"))
    assert read_subtitles(path) == [Cue(1, 2, "il est arrivé là")]


def test_bad_files_are_artifact_errors_that_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "diary.srt").write_text("Dear diary", encoding="utf-8")
    for name, message in (("diary.srt", "Dear diary"), ("missing.srt", "cannot be read")):
        with pytest.raises(ArtifactError, match=rf"{name}.*{message}"):
            read_subtitles(tmp_path / name)
