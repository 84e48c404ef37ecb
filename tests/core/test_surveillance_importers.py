"""Importers of surveillance videos: tiny data sets in the published layouts, with their quirks."""

from __future__ import annotations

import functools
import random
import tempfile
from pathlib import Path

import av
import numpy as np
import pytest

from tests.core.movies import movie, tone
from tests.core.published import put
from trifuse.catalog import read_catalog
from trifuse.errors import ArtifactError, ConfigurationError
from trifuse.importing import import_data, sources
from trifuse.preprocessing.recording import probe
from trifuse.systems.surveillance.contract import EVENTS
from trifuse.systems.surveillance.importers.shared.windows import WINDOW_S, Interval, cut

NAMES = ("rwf2000", "surveillance_fight", "ucf_crime", "xd_violence")


@functools.cache
def video(seconds=10.0, shade=0, suffix=".mp4"):
    """Encode a video; another shade gives other bytes."""
    picture = np.full((32, 32, 3), shade, np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"video{suffix}")
        movie(path, fps=4.0, seconds=seconds, size=(32, 32), picture=lambda time_s: picture)
        return path.read_bytes()


def imported(source, folder):
    done = import_data("surveillance", source, folder, folder.parent / "out")
    items = read_catalog(done.manifest)
    of_split = {
        split: {item.attributes["source"] for item in items if item.split == split}
        for split in ("train", "validation")
    }
    assert not of_split["train"] & of_split["validation"]
    assert all(item.path.is_file() and set(item.attributes["events"]) <= set(EVENTS) for item in items)
    return done, items


def by_video(items):
    """Map the name of each file to its windows."""
    found = {}
    for item in items:
        found.setdefault(item.path.name, []).append(item)
    return found


def said(items):
    """Tell what is said about the windows of one video: abnormal or not, the events, start and end."""
    return [
        tuple(item.attributes[name] for name in ("abnormal", "events", "start_s", "end_s")) for item in items
    ]


# --- windows -----------------------------------------------------------------------------------------------


def test_a_window_is_abnormal_or_normal_throughout():
    for seed in range(200):
        choose = random.Random(seed)
        duration = choose.uniform(0.5, 90)
        starts = [choose.uniform(0, duration) for _ in range(choose.randint(0, 5))]
        intervals = [Interval(start, start + choose.uniform(0.1, 20)) for start in starts]
        windows = cut(duration, intervals, "a video")
        for window in [*windows.abnormal, *windows.normal]:
            assert 0 <= window.start_s < window.end_s <= duration + 1e-3
            assert window.end_s - window.start_s == pytest.approx(min(WINDOW_S, duration), abs=2e-3)
        for start, end in windows.normal:
            assert not any(start < other_end - 2e-3 and other < end - 2e-3 for other, other_end in intervals)
        for start, end in windows.abnormal:
            assert any(start < other_end and other < end for other, other_end in intervals)
        assert bool(windows.abnormal) == bool(intervals)


def test_windows_lie_side_by_side_in_the_middle_of_their_part():
    windows = cut(20.0, [Interval(5.0, 10.0)], "a video")
    assert windows.abnormal == [(5.5, 7.5), (7.5, 9.5)]
    assert windows.normal == [(0.5, 2.5), (2.5, 4.5), (10, 12), (12, 14), (14, 16), (16, 18), (18, 20)]


def test_a_short_event_is_in_the_middle_of_its_window_and_a_short_video_is_one():
    assert cut(20.0, [Interval(7.0, 7.5)], "a video").abnormal == [(6.25, 8.25)]
    assert cut(20.0, [Interval(0.1, 0.2), Interval(0.4, 0.5)], "a video").abnormal == [(0, 2)]
    assert cut(20.0, [Interval(19.5, 90.0)], "a video").abnormal == [(18, 20)]
    assert cut(1.5, [], "a video") == ([], [(0, 1.5)])
    assert cut(1.5, [Interval(0.0, float("inf"))], "a video") == ([(0, 1.5)], [])


def test_a_long_video_gives_few_windows_and_another_video_gives_others():
    hour = [cut(3600.0, [Interval(600.0, 1200.0)], key) for key in ("one", "one", "two")]
    assert [len(windows.abnormal) for windows in hour] == [len(windows.normal) for windows in hour] == [8] * 3
    assert hour[0] == hour[1] != hour[2]
    assert hour[0].normal == sorted(hour[0].normal)
    assert hour[0].normal[-1].start_s - hour[0].normal[0].start_s > 900


# --- XD-Violence -------------------------------------------------------------------------------------------


def xd_violence(folder, train=(), test=(), annotations="", test_folder="videos"):
    put(folder / "annotations.txt", annotations)
    (folder / test_folder).mkdir()
    for number, name in enumerate(train):
        put(folder / ("1-1004", "3320-3954")[number % 2] / f"{name}.mp4", video())
    for name in test:
        put(folder / test_folder / f"{name}.mp4", video())
    return folder


def test_xd_violence_windows_follow_the_annotated_frames(tmp_path):
    fight, blasts = "v=BQjKQbYgUBA__#1_label_B1-0-0", "Bad.Boys.1995__#01-11-55_01-12-40_label_B2-G-0"
    source = xd_violence(
        tmp_path / "xd",
        test=[fight, blasts],
        annotations=f"{fight} 96 144\n{blasts}.mp4 48 60 192 240 \n",
    )
    items = by_video(imported("xd_violence", source)[1])
    assert said(items[f"{fight}.mp4"]) == [
        (False, [], 0.0, 2.0),
        (False, [], 2.0, 4.0),
        (True, ["fight"], 4.0, 6.0),
        (False, [], 6.0, 8.0),
        (False, [], 8.0, 10.0),
    ]
    assert [window for window in said(items[f"{blasts}.mp4"]) if window[0]] == [
        (True, ["blast"], 1.25, 3.25),
        (True, ["blast"], 8.0, 10.0),
    ]
    first = items[f"{blasts}.mp4"][0]
    assert first.split == "validation"
    assert first.attributes["source"] == "xd_violence/Bad.Boys.1995"
    assert first.attributes["source_class"] == "B2-G"


def test_xd_violence_says_abnormal_without_an_event_where_the_class_is_unclear_or_none_of_ours(tmp_path):
    names = [
        "Bad.Boys.1995__#01-11-55_01-12-40_label_G-B2-B6",
        "Casino.Royale.2006__#00-50-05_00-51-16_label_B1-B2-0",
        "v=S-7rRLrxnVQ__#1_label_B4-0-0",
        "City.of.God.2002__#00-37-20_00-38-02_label_B5-0-0",
        "Casino.Royale.2006__#01-46-40_01-47-14_label_B6-0-0",
    ]
    source = xd_violence(
        tmp_path / "xd", test=names, annotations="".join(f"{name} 48 96\r\n" for name in names)
    )
    _, items = imported("xd_violence", source)
    abnormal = [item for item in items if item.attributes["abnormal"]]
    assert len(abnormal) == len(names)
    assert {item.attributes["source_class"] for item in abnormal} == {"G-B2-B6", "B1-B2", "B4", "B5", "B6"}
    assert not any(item.attributes["events"] for item in abnormal)


def test_xd_violence_takes_of_the_training_videos_what_is_known_window_by_window(tmp_path):
    normal = "A.Beautiful.Mind.2001__#00-25-20_00-29-20_label_A"
    tested, weak = (
        "About.Time.2013__#00-23-50_00-24-31_label_A",
        "Brick.Mansions.2014__#00-11-57_00-12-12_label_B2-0-0",
    )
    source = xd_violence(
        tmp_path / "xd",
        train=[normal, weak, "About.Time.2013__#01-00-00_01-01-00_label_A"],
        test=[tested, "v=noIntervals__#1_label_B1-0-0", "without a class"],
    )
    put(source / "2005-2804" / "v=8cTqh9tMz_I__#1_label_A.mp4", video()[:500])
    done, items = imported("xd_violence", source)
    assert {name: windows[0].split for name, windows in by_video(items).items()} == {
        f"{normal}.mp4": "train",
        f"{tested}.mp4": "validation",
    }
    assert not any(item.attributes["abnormal"] for item in items)
    assert done.left_out == {
        "a video that cannot be read": 1,
        "an abnormal training video, labelled only as a whole": 1,
        "a training video of a film that is in the test videos too": 1,
        "an abnormal test video without annotated intervals": 1,
        "a video whose name does not tell its class": 1,
    }


def test_xd_violence_annotations_that_do_not_fit_take_the_video_out(tmp_path):
    names = [f"Film.{number}.2001__#00-00-00_00-00-10_label_B1-0-0" for number in range(4)]
    lines = [
        f"{names[0]} 48",
        f"{names[1]} 96 48",
        f"{names[2]} 48 soon",
        f"{names[3]} 480 500",
        "",
        names[0],
    ]
    source = xd_violence(
        tmp_path / "xd",
        test=[*names, "v=BQjKQbYgUBA__#1_label_A"],
        annotations="\n".join([*lines, ""]),
        test_folder="test_videos",
    )
    done, items = imported("xd_violence", source)
    assert set(by_video(items)) == {"v=BQjKQbYgUBA__#1_label_A.mp4"}
    assert done.left_out == {
        "an annotation that is not made of intervals": 3,
        "an abnormal test video without annotated intervals": 3,
        "an abnormal video that ends before what is annotated": 1,
    }


# --- UCF-Crime ---------------------------------------------------------------------------------------------

UCF_ANNOTATIONS = "Temporal_Anomaly_Annotation_For_Testing_Videos/Txt_formate/Temporal_Anomaly_Annotation.txt"


def ucf_crime(folder, train, test, annotations, missing=()):
    put(folder / "Anomaly_Detection_splits/Anomaly_Train.txt", "".join(f"{name}\n" for name in train))
    put(folder / "Anomaly_Detection_splits/Anomaly_Test.txt", "".join(f"{name} \r\n" for name in test))
    put(folder / UCF_ANNOTATIONS, annotations)
    for name in [*train, *test]:
        if name not in missing:
            put(folder / "Anomaly-Videos-Part-1" / name, video())
    return folder


def test_ucf_crime_keeps_the_published_split_and_reads_the_annotations(tmp_path):
    source = ucf_crime(
        tmp_path / "ucf",
        train=["Training_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4", "Abuse/Abuse001_x264.mp4"],
        test=[
            "Abuse/Abuse028_x264.mp4",
            "Shooting/Shooting011_x264.mp4",
            "Assault/Assault006_x264.mp4",
            "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4",
            "Robbery/Robbery048_x264.mp4",
        ],
        annotations="Abuse028_x264.mp4  Abuse  60  120  -1  -1  \r\n"
        "Shooting011_x264  Shooting  30  45  240  300  \r\n"
        "Assault006_x264.mp4  Assault  1  60  -1  -1  \r\n"
        "Normal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1  \r\n",
        missing=["Robbery/Robbery048_x264.mp4"],
    )
    done, items = imported("ucf_crime", source)
    found = by_video(items)
    assert {name: windows[0].split for name, windows in found.items()} == {
        "Normal_Videos001_x264.mp4": "train",
        "Abuse028_x264.mp4": "validation",
        "Shooting011_x264.mp4": "validation",
        "Assault006_x264.mp4": "validation",
        "Normal_Videos_003_x264.mp4": "validation",
    }
    abnormal = {name: [row for row in said(windows) if row[0]] for name, windows in found.items()}
    assert abnormal["Abuse028_x264.mp4"] == [(True, [], 2.0, 4.0)]
    assert abnormal["Shooting011_x264.mp4"] == [(True, ["blast"], 0.25, 2.25), (True, ["blast"], 8.0, 10.0)]
    assert [row[1] for row in abnormal["Assault006_x264.mp4"]] == [["fight"]]
    assert not abnormal["Normal_Videos_003_x264.mp4"]
    assert found["Abuse028_x264.mp4"][0].attributes["source_class"] == "Abuse"
    assert done.left_out == {
        "an abnormal training video, labelled only as a whole": 1,
        "a video that is missing": 1,
    }


# --- RWF-2000 ----------------------------------------------------------------------------------------------


def rwf2000(folder, clips):
    """Write clips of five seconds: path below the folder, without its ending -> shade."""
    for name in ("train/Fight", "train/NonFight", "val/Fight", "val/NonFight"):
        (folder / name).mkdir(parents=True)
    for name, shade in clips.items():
        put(folder / f"{name}.avi", video(5.0, shade, ".avi"))
    return folder


def test_rwf2000_clips_give_two_windows_and_keep_the_published_split(tmp_path):
    source = rwf2000(
        tmp_path / "rwf",
        {"train/Fight/-1l5631l3fg_0": 10, "train/NonFight/IMA4zYs83Lo_0": 20, "val/Fight/0_DzLlklZa0_12": 30},
    )
    _, items = imported("rwf2000", source)
    assert said(items) == [
        (True, ["fight"], 0.5, 2.5),
        (True, ["fight"], 2.5, 4.5),
        (False, [], 0.5, 2.5),
        (False, [], 2.5, 4.5),
        (True, ["fight"], 0.5, 2.5),
        (True, ["fight"], 2.5, 4.5),
    ]
    assert [item.split for item in items[::2]] == ["train", "train", "validation"]
    assert [item.attributes["source"] for item in items[::2]] == [
        "rwf2000/-1l5631l3fg",
        "rwf2000/IMA4zYs83Lo",
        "rwf2000/0_DzLlklZa0",
    ]
    assert [item.attributes["source_class"] for item in items[::2]] == ["Fight", "NonFight", "Fight"]


def test_rwf2000_validation_clips_that_were_trained_on_are_left_out(tmp_path):
    source = rwf2000(
        tmp_path / "rwf",
        {
            "train/Fight/abc_d_0": 10,
            "val/NonFight/abc_d_7": 20,
            "val/Fight/other_0": 10,
            "val/Fight/abc_1": 30,
        },
    )
    done, items = imported("rwf2000", source)
    assert set(by_video(items)) == {"abc_d_0.avi", "abc_1.avi"}
    assert done.left_out == {
        "a validation clip of a video that is in the training split too": 1,
        "a validation clip that is in the training split under another name": 1,
    }


# --- Surveillance Camera Fight -----------------------------------------------------------------------------


def surveillance_fight(folder, fights, others, videos, seconds=2.0):
    put(folder / "videos.txt", "\r\n".join(videos))
    for name, kind, count in (("fight", "fi", fights), ("noFight", "nofi", others)):
        (folder / name).mkdir()
        for number in range(1, count + 1):
            put(folder / name / f"{kind}{number:03}.mp4", video(seconds))
    return folder


def test_surveillance_fight_clips_of_one_video_share_a_split(tmp_path):
    videos = [
        f"fi{n * 2 + 1:03}-fi{n * 2 + 2:03} https://www.youtube.com/watch?v=video{n:06}" for n in range(30)
    ]
    videos += [f"nofi{n + 1:03} https://youtu.be/video{n:06}?t=17" for n in range(30)]
    source = surveillance_fight(tmp_path / "scf", 60, 30, videos)
    done, items = imported("surveillance_fight", source)
    assert not done.left_out
    assert len(items) == 90
    assert len({item.attributes["source"] for item in items}) == 30
    in_validation = {item.attributes["source"] for item in items if item.split == "validation"}
    assert 2 <= len(in_validation) <= 12
    assert said(items[:1]) == [(True, ["fight"], 0.0, 2.0)]
    assert said(items[-1:]) == [(False, [], 0.0, 2.0)]
    assert items[-1].attributes["source_class"] == "noFight"


@pytest.mark.parametrize(
    "videos",
    [
        ["fi001-003 https://youtu.be/aaaaaaaaaaa", "nofi001-nofi002: CamNeT", "nofi003.mp4 - Synopsis"],
        ["FIGHT", "1 - 3  https://youtu.be/aaaaaaaaaaa", "", "No Fight:", "CamNeT 1-2", "Synopsis, 3"],
    ],
)
def test_surveillance_fight_sources_are_read_with_names_or_numbers_alone(tmp_path, videos):
    source = surveillance_fight(tmp_path / "scf", 3, 3, videos)
    found = by_video(imported("surveillance_fight", source)[1])
    names = {name: windows[0].attributes["source"].split("/")[1] for name, windows in found.items()}
    assert names == {
        **dict.fromkeys(("fi001.mp4", "fi002.mp4", "fi003.mp4"), "aaaaaaaaaaa"),
        **dict.fromkeys(("nofi001.mp4", "nofi002.mp4"), "CamNeT"),
        "nofi003.mp4": "Synopsis",
    }


def test_surveillance_fight_leaves_out_clips_whose_source_is_not_told(tmp_path):
    source = surveillance_fight(
        tmp_path / "scf",
        2,
        1,
        ["fi001 https://youtu.be/aaaaaaaaaaa", "fi002", "https://youtu.be/bbbbbbbbbbb"],
    )
    done, items = imported("surveillance_fight", source)
    assert [item.path.name for item in items] == ["fi001.mp4"]
    assert done.left_out == {
        "a line of videos.txt without a video and its clips": 2,
        "a clip whose source videos.txt does not name": 2,
    }


# --- all of them -------------------------------------------------------------------------------------------

SAMPLES = {
    "rwf2000": lambda folder: rwf2000(folder, {"train/Fight/abc_0": 1}),
    "surveillance_fight": lambda folder: surveillance_fight(folder, 1, 0, ["fi001 CamNeT"]),
    "ucf_crime": lambda folder: ucf_crime(folder, ["Normal/Normal_Videos001_x264.mp4"], [], ""),
    "xd_violence": lambda folder: xd_violence(folder, ["v=BQjKQbYgUBA__#1_label_A"]),
}


def test_the_importers_are_found_by_name():
    assert sources("surveillance") == NAMES == tuple(SAMPLES)


@pytest.mark.parametrize("source", NAMES)
def test_a_second_import_gives_the_same_and_another_data_set_is_kept(tmp_path, source):
    folder = SAMPLES[source](tmp_path / "data")
    texts = {imported(source, folder)[0].manifest.read_text() for _ in range(2)}
    assert len(texts) == 1
    other = next(name for name in NAMES if name != source)
    with pytest.raises(ConfigurationError, match="another catalogue"):
        imported(other, SAMPLES[other](tmp_path / "other"))
    assert {(tmp_path / "out/manifest.jsonl").read_text()} == texts


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("rwf2000", "val/NonFight"),
        ("surveillance_fight", "videos.txt"),
        ("ucf_crime", UCF_ANNOTATIONS),
        ("xd_violence", "annotations.txt"),
        ("xd_violence", "videos"),
    ],
)
def test_an_incomplete_data_set_is_refused(tmp_path, source, name):
    folder = SAMPLES[source](tmp_path / "data")
    missing = folder / name
    missing.rmdir() if missing.is_dir() else missing.unlink()
    with pytest.raises(ArtifactError, match="as it is published"):
        imported(source, folder)


def test_videos_that_are_all_broken_are_an_error_that_says_why(tmp_path):
    source = SAMPLES["rwf2000"](tmp_path / "data")
    put(source / "train/Fight/abc_0.avi", b"")
    with pytest.raises(ArtifactError, match="a video that cannot be read"):
        imported("rwf2000", source)


def test_a_video_whose_download_broke_off_is_left_out(tmp_path):
    source = surveillance_fight(tmp_path / "scf", 2, 0, ["fi001-fi002 CamNeT"])
    path = source / "fight/fi002.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=4)
        stream.width = stream.height = 32
        for pixels in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode())
    put(path, path.read_bytes()[: path.stat().st_size // 2])
    assert probe(path) == 10.0
    done, items = imported("surveillance_fight", source)
    assert [item.path.name for item in items] == ["fi001.mp4"]
    assert done.left_out == {"a video that cannot be read": 1}


def test_a_recording_without_pictures_is_left_out(tmp_path):
    source = surveillance_fight(tmp_path / "scf", 2, 0, ["fi001-fi002 CamNeT"])
    movie(source / "fight/fi002.mp4", fps=None, sound=tone(3.0))
    done, items = imported("surveillance_fight", source)
    assert [item.path.name for item in items] == ["fi001.mp4"]
    assert done.left_out == {"a video without pictures to its end": 1}
