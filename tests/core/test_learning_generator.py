"""Generated learners: equal seeds give equal files, splits share nobody, labels follow the rule."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from trifuse.artifacts import digest
from trifuse.catalog import read_catalog
from trifuse.errors import ConfigurationError
from trifuse.preprocessing.audio import AudioSettings
from trifuse.preprocessing.recording import probe, read_clip
from trifuse.preprocessing.video import VideoSettings
from trifuse.systems.learning.classroom.acts import LEVELS, MANNERS, SHARES, draw_act
from trifuse.systems.learning.classroom.learner import draw_learner
from trifuse.systems.learning.contract import ABSENT, BEHAVIOURS, contract
from trifuse.systems.learning.generator import generate, write_lesson
from trifuse.systems.learning.labels import LESSON_NAME, UNKNOWN, label_of, learner_of

ITEMS = 16
SETTINGS = contract("smoke").settings
VIDEO, AUDIO = VideoSettings.of(SETTINGS), AudioSettings.of(SETTINGS)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("learning"), items=ITEMS, seed=3, workers=1)


def lesson_rows(listing: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in listing.read_text(encoding="utf-8").splitlines()]


def test_equal_seeds_give_equal_files_and_others_do_not(manifest: Path, tmp_path: Path) -> None:
    again = generate(tmp_path / "again", items=3, seed=3, workers=1)
    other = generate(tmp_path / "other", items=3, seed=4, workers=1)
    for item in read_catalog(again):
        twin = manifest.parent / item.path.relative_to(again.parent)
        assert digest(item.path) == digest(twin)
        assert digest(item.path) != digest(other.parent / item.path.relative_to(again.parent))


def test_every_window_is_readable_and_as_long_as_a_window(manifest: Path) -> None:
    seen = Counter()
    for item in read_catalog(manifest):
        assert SETTINGS["window_s"] <= probe(item.path) < 6.5
        clip = read_clip(item.path, VIDEO, AUDIO)
        assert clip.frames is not None
        seen["sound"] += clip.pcm is not None
        seen["text"] += clip.text is not None or "subtitles" in item.attributes
    assert ITEMS / 2 < seen["sound"] <= ITEMS
    assert ITEMS / 3 < seen["text"] < ITEMS


@pytest.mark.slow
def test_splits_share_no_learner_and_every_fifth_validates(tmp_path: Path) -> None:
    rows = read_catalog(generate(tmp_path, items=60, seed=0))
    learners = {
        split: {learner_of(item) for item in rows if item.split == split} for split in ("train", "validation")
    }
    assert not learners["train"] & learners["validation"]
    assert (len(learners["train"]), len(learners["validation"])) == (5, 1)


def test_labels_follow_the_rule() -> None:
    """Nobody who is absent attends, idle manners are level 0, and all behaviours occur at their shares."""
    rng = np.random.default_rng(0)
    acts = [draw_act(draw_learner(rng), rng) for _ in range(4000)]
    shares = Counter(act.behaviour for act in acts)
    assert set(shares) == set(BEHAVIOURS) == set(MANNERS)
    for name, count in shares.items():
        assert count / len(acts) == pytest.approx(SHARES[name], abs=0.03)
    for act in acts:
        assert act.manner in MANNERS[act.behaviour]
        assert act.attention == (None if act.behaviour == ABSENT else LEVELS[act.manner])
        assert ("attention" in act.labels) == (act.behaviour != ABSENT)


def test_labels_are_read_as_they_were_written(manifest: Path) -> None:
    for item in read_catalog(manifest):
        behaviour, attention, *affects = label_of(item)
        assert BEHAVIOURS[behaviour] == item.attributes["behaviour"]
        assert attention == item.attributes.get("attention", UNKNOWN)
        assert affects == [UNKNOWN] * 3


def test_a_stopped_run_goes_on_and_keeps_what_is_there(tmp_path: Path) -> None:
    first = generate(tmp_path, items=3, seed=1, workers=1)
    paths = [item.path for item in read_catalog(first)]
    times = [path.stat().st_mtime_ns for path in paths]
    paths[1].unlink()
    generate(tmp_path, items=3, seed=1, workers=1)
    after = [path.stat().st_mtime_ns for path in paths]
    assert (after[0], after[2]) == (times[0], times[2])
    assert after[1] != times[1]


def test_lists_that_someone_else_made_are_kept(tmp_path: Path) -> None:
    for name, make in (
        ("manifest.jsonl", lambda folder: generate(folder, items=1, seed=0)),
        (LESSON_NAME, lambda folder: write_lesson(folder, minutes=0.1, learners=1, seed=0)),
    ):
        (tmp_path / name).write_text(
            '{"id": "mine", "path": "mine.mp4", "split": "train"}\n', encoding="utf-8"
        )
        with pytest.raises(ConfigurationError, match="holds other data"):
            make(tmp_path)


def test_what_cannot_be_generated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="such windows"):
        generate(tmp_path, items=0, seed=0)
    with pytest.raises(ConfigurationError, match="such a lesson"):
        write_lesson(tmp_path, minutes=1, learners=0, seed=0)


@pytest.mark.slow
def test_a_lesson_tells_its_truth(tmp_path: Path) -> None:
    rows = lesson_rows(write_lesson(tmp_path, minutes=1, learners=3, seed=5))
    for number, row in enumerate(rows):
        truth = row["truth"]
        assert isinstance(truth, list)
        known_s = sum(one["end_s"] - one["start_s"] for one in truth)
        assert known_s == pytest.approx(60 if number != 1 else 51)
        assert all(earlier["end_s"] <= later["start_s"] for earlier, later in pairwise(truth))
        assert all(one["behaviour"] in BEHAVIOURS for one in truth)
        path = tmp_path / str(row["path"])
        assert probe(path) == pytest.approx(60, abs=0.5)
        clip = read_clip(path, VIDEO, AUDIO, start_s=30, end_s=35)
        assert clip.frames is not None
        # The second camera is off just then, and the third has no microphone.
        assert (clip.frames.max() < 20) == (number == 1)
        assert (clip.pcm is None) == (number == 2)
    assert [row["consent"] for row in rows] == [True, True, False]
