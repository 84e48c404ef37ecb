"""Importers of recordings of learners: tiny data sets in the published layouts, with their quirks."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests.core.movies import movie
from tests.core.published import put
from trifuse.catalog import read_catalog
from trifuse.errors import ArtifactError
from trifuse.importing import import_data, sources
from trifuse.systems.learning.importers.shared.clips import windows
from trifuse.systems.learning.labels import LABELS, UNKNOWN, label_of, learner_of


@functools.cache
def video(suffix=".avi", seconds=10.0):
    picture = np.full((32, 32, 3), 90, np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"video{suffix}")
        movie(path, fps=4.0, seconds=seconds, size=(32, 32), picture=lambda time_s: picture)
        return path.read_bytes()


def imported(source, folder):
    done = import_data("learning", source, folder, folder.parent / "out")
    items = read_catalog(done.manifest)
    train, validation = (
        {learner_of(item) for item in items if item.split == split} for split in ("train", "validation")
    )
    assert not train & validation
    assert all(item.path.is_file() for item in items)
    return done, items


def labels(items):
    return {item.id: dict(zip(LABELS, label_of(item), strict=True)) for item in items}


def test_both_sources_are_found():
    assert sources("learning") == ("daisee", "engagenet")


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [
        (10.0, [(0, 5), (5, 10)]),
        (9.6, [(0, 5), (5, 9.6)]),
        (7.4, [(0, 5)]),
        (12.6, [(0, 5), (5, 10), (10, 12.6)]),
        (1.5, [(0, 1.5)]),
    ],
)
def test_clips_are_cut_into_windows(duration_s, expected):
    assert windows(duration_s) == expected


HEADER = "ClipID,Boredom,Engagement,Confusion,Frustration \n"


@pytest.fixture
def daisee(tmp_path):
    folder = tmp_path / "DAiSEE"
    clips = {"Train": ("1100011002", "1100012003"), "Validation": ("2100011001",), "Test": ("3100011001",)}
    for split, names in clips.items():
        for name in names:
            put(folder / "DataSet" / split / name[:6] / name / f"{name}.avi", video())
    put(folder / "DataSet/Test/310001/3100011002/3100011002.mp4", video(".mp4"))
    lines = "1100011002.avi,0,2,0,1\n1100012003.avi,1,3,0,0\n1100019999.avi,1,1,1,1\n"
    put(folder / "Labels/TrainLabels.csv", HEADER + lines)
    put(folder / "Labels/ValidationLabels.csv", HEADER + "2100011001.mp4,3,0,1,2\n")
    put(folder / "Labels/TestLabels.csv", HEADER + "3100011001.avi,0,1,0,0\n3100011002.avi,0,9,0,0\n")
    return folder


def test_daisee_tells_attention_and_affects_of_every_window(daisee):
    done, items = imported("daisee", daisee)
    found = labels(items)
    assert found["1100011002-1"] == found["1100011002-2"]
    assert found["1100011002-1"] == {
        "behaviour": UNKNOWN,
        "attention": 2,
        "boredom": 0,
        "confusion": 0,
        "frustration": 1,
    }
    assert {item.id: item.split for item in items if item.id.endswith("-1")} == {
        "1100011002-1": "train",
        "1100012003-1": "train",
        "2100011001-1": "train",
        "3100011001-1": "validation",
    }
    assert {learner_of(item) for item in items} == {"110001", "210001", "310001"}
    assert done.left_out["a labelled clip that is missing"] == 1
    assert done.left_out["a clip with a label that is not 0 to 3"] == 1


def test_daisee_leaves_out_what_has_no_label_or_cannot_be_read(daisee):
    put(daisee / "DataSet/Train/110001/1100015555/1100015555.avi", video())
    put(daisee / "DataSet/Train/110001/1100012003/1100012003.avi", video()[:200])
    done, items = imported("daisee", daisee)
    assert done.left_out["a clip without labels"] == 1
    assert done.left_out["a clip that cannot be read"] == 1
    assert not any(item.id.startswith(("1100015555", "1100012003")) for item in items)


def test_a_daisee_learner_who_validates_does_not_train(daisee):
    put(daisee / "DataSet/Train/310001/3100017777/3100017777.avi", video())
    path = daisee / "Labels/TrainLabels.csv"
    path.write_text(path.read_text() + "3100017777.avi,0,1,0,0\n")
    done, _ = imported("daisee", daisee)
    assert done.left_out["a training clip of a learner who is in the validation split too"] == 1


def test_daisee_columns_may_have_spaces_around_and_frames_may_lie_beside_the_clips(daisee):
    put(daisee / "DataSet/Test/310001/3100011001/310001100101.jpg", b"")
    header = "\ufeff ClipID , Boredom,Engagement , Confusion,Frustration \r\n"
    put(daisee / "Labels/TestLabels.csv", header + "3100011001.avi,0,1, 2,3 \r\n")
    done, items = imported("daisee", daisee)
    assert labels(items)["3100011001-2"] == {
        "behaviour": UNKNOWN,
        "attention": 1,
        "boredom": 0,
        "confusion": 2,
        "frustration": 3,
    }
    # Of the test clips, the MP4 file now has no row at all.
    assert done.left_out == {"a labelled clip that is missing": 1, "a clip without labels": 1}


def test_a_daisee_table_without_a_column_is_named(daisee):
    put(daisee / "Labels/TestLabels.csv", "ClipID,Boredom\n3100011001.avi,0\n")
    with pytest.raises(ArtifactError, match="no column Confusion, Engagement, Frustration"):
        imported("daisee", daisee)


@pytest.fixture
def engagenet(tmp_path):
    folder = tmp_path / "EngageNet"
    names = {
        "Train": ("subject_1_abc_vid_0_1", "subject_1_abc_vid_0_2", "subject_2_abc_vid_0_1"),
        "Validation": ("subject_3_x_vid_1_0",),
        "Test": ("subject_4_y_vid_0_13",),
    }
    for split, clips in names.items():
        for name in clips:
            put(folder / split / f"{name}.mp4", video(".mp4"))
        listed = {"Train": "train", "Validation": "valid", "Test": "test"}[split]
        put(folder / f"{listed}.txt", "\n".join(f"{name}.csv" for name in clips) + "\n")
    put(
        folder / "final_labels.csv",
        "chunk,label\nsubject_1_abc_vid_0_1.mp4,Engaged\nsubject_1_abc_vid_0_2.mp4,SNP(Subject Not Present)\n"
        "subject_2_abc_vid_0_1.mp4,Barely-engaged\nsubject_3_x_vid_1_0.mp4,Highly-Engaged\n"
        "subject_4_y_vid_0_13.mp4,Not-Engaged\nsubject_9_z_vid_0_0.mp4,Engaged\n",
    )
    return folder


def test_engagenet_tells_attention_and_drops_who_is_not_there(engagenet):
    done, items = imported("engagenet", engagenet)
    found = {name[:-2]: one["attention"] for name, one in labels(items).items() if name.endswith("-1")}
    assert found == {
        "subject_1_abc_vid_0_1": 2,
        "subject_2_abc_vid_0_1": 1,
        "subject_3_x_vid_1_0": 3,
        "subject_4_y_vid_0_13": 0,
    }
    assert done.left_out["a clip without the learner (SNP)"] == 1
    assert done.left_out["a labelled clip that is missing"] == 1
    assert {learner_of(item) for item in items if item.split == "validation"} == {"subject_4"}


def test_engagenet_validates_with_the_validation_clips_where_no_test_clip_has_a_label(engagenet):
    table = engagenet / "final_labels.csv"
    kept = [line for line in table.read_text().splitlines() if not line.startswith("subject_4")]
    table.write_text("\n".join(kept) + "\n")
    _, items = imported("engagenet", engagenet)
    assert {learner_of(item) for item in items if item.split == "validation"} == {"subject_3"}


def test_engagenet_reads_folders_where_there_are_no_lists(engagenet):
    for name in ("train", "valid", "test"):
        (engagenet / f"{name}.txt").unlink()
    _, items = imported("engagenet", engagenet)
    assert {learner_of(item) for item in items if item.split == "train"} == {
        "subject_1",
        "subject_2",
        "subject_3",
    }


def test_engagenet_names_may_have_folders_and_labels_any_case(engagenet):
    put(
        engagenet / "final_labels.csv",
        "\ufeffchunk,label\r\nchunks/subject_1_abc_vid_0_1.mp4,Barely-Engaged\r\n"
        "subject_3_x_vid_1_0,highly-engaged \r\nsubject_4_y_vid_0_13.mp4,Very-Engaged\r\n",
    )
    done, items = imported("engagenet", engagenet)
    found = {name[:-2]: one["attention"] for name, one in labels(items).items() if name.endswith("-1")}
    assert found == {"subject_1_abc_vid_0_1": 1, "subject_3_x_vid_1_0": 3}
    assert done.left_out == {"a clip with an unknown label": 1}


def test_engagenet_leaves_out_clips_of_no_split_and_of_nobody(engagenet):
    put(engagenet / "more/subject_5_q_vid_0_0.mp4", video(".mp4"))
    put(engagenet / "Train/holiday.mp4", video(".mp4"))
    for path, line in (("final_labels.csv", "holiday.mp4,Engaged\n"), ("train.txt", "holiday\n")):
        put(engagenet / path, (engagenet / path).read_text() + line)
    put(
        engagenet / "final_labels.csv",
        (engagenet / "final_labels.csv").read_text() + "subject_5_q_vid_0_0.mp4,Engaged\n",
    )
    done, items = imported("engagenet", engagenet)
    assert not any(item.path.name in ("holiday.mp4", "subject_5_q_vid_0_0.mp4") for item in items)
    assert done.left_out["a clip that is in no split"] == 1
    assert done.left_out["a clip whose name does not tell its subject"] == 1


def test_engagenet_validates_with_the_validation_clips_where_the_test_clips_were_not_downloaded(engagenet):
    (engagenet / "Test/subject_4_y_vid_0_13.mp4").unlink()
    _, items = imported("engagenet", engagenet)
    assert {learner_of(item) for item in items if item.split == "validation"} == {"subject_3"}


@pytest.fixture
def release(engagenet):
    """Turn the layout of the baselines into that of the release: folders, and a table a split."""
    for name in ("train.txt", "valid.txt", "test.txt", "final_labels.csv"):
        (engagenet / name).unlink()
    put(engagenet / "train_engagement_labels.csv", ",chunk,label\n0,subject_2_abc_vid_0_1.mp4,Engaged\n")
    put(engagenet / "validation_engagement_labels.csv", "chunk,label\nsubject_3_x_vid_1_0.mp4,Engaged\n")
    put(engagenet / "test_engagement_labels.csv", "chunk,label\nsubject_4_y_vid_0_13.mp4,Not-Engaged\n")
    return engagenet


def test_engagenet_reads_a_table_a_split(release):
    done, items = imported("engagenet", release)
    assert {learner_of(item): item.split for item in items} == {
        "subject_2": "train",
        "subject_3": "train",
        "subject_4": "validation",
    }
    assert not done.left_out


def test_engagenet_asks_for_workbooks_as_csv(release):
    for split in ("train", "validation"):
        put(release / f"{split}_engagement_labels.xlsx", b"PK")
    imported("engagenet", release)
    (release / "train_engagement_labels.csv").unlink()
    with pytest.raises(ArtifactError, match=r"Excel workbook.*Save it as CSV"):
        imported("engagenet", release)


@pytest.mark.parametrize("source", ["daisee", "engagenet"])
def test_a_second_import_gives_the_same(source, request):
    folder = request.getfixturevalue(source)
    texts = {imported(source, folder)[0].manifest.read_text() for _ in range(2)}
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("source", "name"), [("daisee", "Labels/TestLabels.csv"), ("engagenet", "final_labels.csv")]
)
def test_an_incomplete_data_set_is_refused(source, name, request):
    folder = request.getfixturevalue(source)
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match="as it is published"):
        imported(source, folder)
