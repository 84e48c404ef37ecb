"""Generated footage: real movies, honest labels, splits without leaks, and runs that can be stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from itertools import islice, pairwise

import av
import numpy as np
import pytest

from trifuse.catalog import read_catalog
from trifuse.catalog_windows import read_window
from trifuse.errors import ConfigurationError
from trifuse.preprocessing.audio import AudioSettings
from trifuse.preprocessing.video import VideoSettings
from trifuse.synthesis.soundtrack import Microphone, Sound, record
from trifuse.systems.surveillance.contract import EVENTS, contract
from trifuse.systems.surveillance.footage.clips import Clip
from trifuse.systems.surveillance.footage.recordings import Plan, stage_recording
from trifuse.systems.surveillance.footage.sources import ClipSource, TakeSource, sources
from trifuse.systems.surveillance.footage.takes import stage_take, take_rows
from trifuse.systems.surveillance.generator import generate, write_recordings
from trifuse.systems.surveillance.scenario import incidents, pastimes
from trifuse.systems.surveillance.scenario.lines import LANGUAGES, Writer, split_of
from trifuse.systems.surveillance.scenario.stage import Stage, find_setting

pytestmark = pytest.mark.slow

ITEMS, SEED = 24, 3
KEYS = {"id", "path", "split", "source", "events", "abnormal", "story"}
SETTINGS = contract("smoke").settings
VIDEO, AUDIO = VideoSettings.of(SETTINGS), AudioSettings.of(SETTINGS)
ALL_EVENTS, ONE_BAG = Plan(0, 420.0, EVENTS), Plan(0, 110.0, ("abandoned_object",))


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("footage"), items=ITEMS, seed=SEED, workers=2)


@pytest.fixture(scope="module")
def rows(footage):
    return read(footage)


@pytest.fixture(scope="module")
def clips():
    return [
        Clip(source, window)
        for source in islice((source for source in sources() if isinstance(source, ClipSource)), 400)
        for window in range(len(source.stories))
    ]


def read(listing):
    return [json.loads(line) for line in listing.read_text(encoding="utf-8").splitlines()]


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def staged(play, seed=1):
    """Play a story on a stage that has nothing else."""
    rng = np.random.default_rng(seed)
    stage = Stage(find_setting((320, 180), np.random.default_rng(7)), "train", rng)
    play(stage, 0.0, 6.0)
    return stage


def share(flags):
    flags = list(flags)
    return sum(flags) / len(flags)


def test_every_row_has_the_documented_columns(footage, rows):
    assert len(rows) == len({row["id"] for row in rows}) == ITEMS == len(read_catalog(footage))
    for row in rows:
        assert KEYS <= set(row) <= KEYS | {"start_s", "end_s", "subtitles"}
        assert (footage.parent / row["path"]).is_file()
        assert set(row["events"]) <= set(EVENTS)
        assert row["abnormal"] == bool(row["events"])


def test_a_few_items_hold_every_event_both_splits_and_a_file_with_windows(rows):
    assert {event for row in rows if row["split"] == "train" for event in row["events"]} == set(EVENTS)
    assert {row["split"] for row in rows} == {"train", "validation"}
    assert {row["abnormal"] for row in rows if row["split"] == "validation"} == {True, False}
    windows = [row for row in rows if "start_s" in row]
    assert len(windows) > len({row["path"] for row in windows}) == 1


def test_files_have_the_tracks_that_cameras_record(footage, rows):
    for path in {row["path"] for row in rows}:
        with av.open(footage.parent / path) as movie:
            video = movie.streams.video[0]
            assert (video.codec_context.name, video.width, video.height) == ("h264", 320, 180)
            assert path.startswith("takes/") or 2.0 <= float(video.duration * video.time_base) <= 2.4
            for sound in movie.streams.audio:
                assert (sound.codec_context.name, sound.rate, sound.channels) == ("aac", 16_000, 1)
            assert [text.codec_context.name for text in movie.streams.subtitles] in ([], ["mov_text"])


def test_the_loader_reads_every_window_with_what_its_story_needs(footage):
    needs = {clip.id: clip.story for clip in clips_of(footage)}
    for item in read_catalog(footage):
        window = read_window(item, footage.parent, VIDEO, AUDIO)
        assert window.frames.shape[0] == VIDEO.frame_count
        assert window.frames.std() > 3
        story = needs.get(item.id)
        if story and story.needs_sound:
            assert np.abs(window.pcm).max() > 0.02
        if "threat" in item.values("events"):
            assert window.text


def clips_of(manifest):
    taken = {row["source"] for row in read(manifest)}
    chosen = [source for source in islice(sources(), 20) if source.id in taken]
    return [Clip(source, w) for source in chosen if isinstance(source, ClipSource) for w in range(4)]


def test_a_seed_gives_the_same_files_whatever_the_workers_and_items(footage, tmp_path):
    again = generate(tmp_path, items=12, seed=SEED, workers=1)
    theirs = digests(footage.parent)
    ours = digests(again.parent)
    assert read(again) == read(footage)[:12]
    assert {path: theirs[path] for path in ours if path != again.name} == {
        path: digest for path, digest in ours.items() if path != again.name
    }


def test_a_second_run_makes_only_what_is_missing(footage, tmp_path):
    folder = shutil.copytree(footage.parent, tmp_path / "copy")
    before = digests(folder)
    movies = sorted((folder / "clips").glob("*.mp4"))
    kept = {path: path.stat().st_mtime_ns for path in [*movies[2:], *folder.glob("takes/*")]}
    movies[0].unlink()
    movies[1].write_bytes(b"not a movie")
    (folder / "clips" / f".{movies[0].name}.x1y2").write_bytes(b"left by a killed run")
    generate(folder, items=ITEMS, seed=SEED, workers=1)
    assert digests(folder) == before
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_no_source_is_in_two_splits_and_a_fifth_is_for_validation():
    chosen = list(islice(sources(), 440))
    assert len({source.id for source in chosen}) == len(chosen)
    for kind in (ClipSource, TakeSource):
        validation = share(source.split == "validation" for source in chosen if isinstance(source, kind))
        assert validation == pytest.approx(0.2, abs=0.01)


def test_a_missing_track_tells_nothing(clips):
    assert share(bool(clip.story.events) for clip in clips) == pytest.approx(0.45, abs=0.01)
    tracks = {clip: clip.tracks(SEED) for clip in clips}
    for clip in clips:
        assert tracks[clip].sound or not clip.story.needs_sound
        assert tracks[clip].subtitles != "nowhere" or not clip.story.needs_lines
    for has in (lambda track: track.sound, lambda track: track.subtitles != "nowhere"):
        odds = [
            share(has(tracks[c]) for c in clips if bool(c.story.events) == flag) for flag in (True, False)
        ]
        assert odds[0] == pytest.approx(odds[1], abs=0.05)


def test_about_a_third_of_the_fights_and_fewer_falls_and_panics_need_their_sound(clips):
    shares = {"fight": (0.25, 0.35), "fall": (0.2, 0.3), "crowd_panic": (0.2, 0.4)}
    for event, (low, high) in shares.items():
        hidden = share(c.story.needs_sound for c in clips if c.story.events[:1] == (event,))
        assert low <= hidden <= high


@pytest.mark.parametrize(
    ("incident", "pastime"),
    [
        (incidents.scuffle, pastimes.play),
        (incidents.faint, pastimes.rest),
        (incidents.flight, pastimes.hurry),
        (incidents.threat, pastimes.quote),
    ],
)
def test_what_only_sound_or_words_tell_looks_the_same(incident, pastime):
    one, other = staged(incident), staged(pastime)
    assert [actor.acts for actor in one.scene.actors] == [actor.acts for actor in other.scene.actors]
    assert (one.sounds, one.lines) != (other.sounds, other.lines)


def test_fireworks_sound_as_shots_do():
    one, other = staged(incidents.blast), staged(pastimes.fireworks)
    assert one.sounds == other.sounds
    assert not one.lines
    assert other.lines


def test_splits_share_words_but_no_sentence():
    said = {
        split: {
            (topic, Writer(split, np.random.default_rng(number)).line(topic, language))
            for topic in ("threat", "quote", "everyday")
            for language in LANGUAGES
            for number in range(60)
        }
        for split in ("train", "validation")
    }
    assert all(split_of(sentence) == split for split, lines in said.items() for _, sentence in lines)
    words = {split: {word for _, line in lines for word in line.split()} for split, lines in said.items()}
    assert len(words["train"] & words["validation"]) > 50
    assert all(len(lines) > 150 for lines in said.values())


def test_a_bag_is_abandoned_after_twenty_seconds_and_not_before():
    labelled = 0
    for source in islice((source for source in sources() if isinstance(source, TakeSource)), 8):
        bag = stage_take(source, SEED).bag
        for window in take_rows(source, SEED):
            left_s = window["end_s"] - bag.start_s if bag and window["start_s"] < bag.end_s else 0.0
            abandoned = "abandoned_object" in window["events"]
            assert abandoned == (left_s >= 20.0)
            assert abandoned or left_s <= 12.0
            labelled += abandoned
    assert labelled >= 15


def test_long_recordings_annotate_incidents_of_all_events_one_after_the_other():
    _, events = stage_recording(ALL_EVENTS, SEED)
    assert {event["event"] for event in events} == set(EVENTS)
    assert all(0 < event["start_s"] < event["end_s"] <= 420 for event in events)
    pairs = pairwise(events)
    assert all(first["end_s"] + 5 < second["start_s"] for first, second in pairs)
    assert [event["event"] for event in events if "box" in event] == ["abandoned_object"]


def test_the_box_is_where_the_bag_is_seen():
    stage, (event,) = stage_recording(ONE_BAG, SEED)
    left_s = int(event["start_s"])
    frames = list(islice(stage.scene.frames(left_s + 30.0, 1), left_s + 30))
    empty, with_bag = (np.median(part, axis=0) for part in (frames[:5], frames[left_s + 4 :: 4]))
    change = np.abs(with_bag - empty).max(axis=2) > 25
    x0, y0, x1, y1 = (np.array(event["box"]) * [640, 360, 640, 360]).round().astype(int)
    inside = change[y0:y1, x0:x1]
    assert inside.mean() > 0.6
    assert change.sum() < 1.5 * inside.sum()


def test_recordings_are_written_once_and_listed(tmp_path):
    listing = write_recordings(tmp_path, minutes=0.35, incidents=1, seed=1)
    (described,) = read(listing)
    assert [event["event"] for event in described["events"]] == ["fight"]
    movie = tmp_path / described["path"]
    made = movie.stat().st_mtime_ns
    with av.open(movie) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (640, 360)
        assert container.duration / av.time_base == pytest.approx(described["duration_s"], abs=0.2)
        assert len(container.streams) == 3
    before = listing.read_text(encoding="utf-8")
    assert write_recordings(tmp_path, minutes=0.35, incidents=1, seed=1).read_text(encoding="utf-8") == before
    assert movie.stat().st_mtime_ns == made


def test_a_soundtrack_starts_in_the_middle_of_what_began_before():
    microphone = Microphone("hum", -60.0, echo=False, gain_db=0.0, high_hz=7000.0, seed=1)
    loud = np.abs(record([Sound("music", -1.0, 2.0, -6.0, 5)], microphone, 2.0))
    assert loud[:8000].max() > 0.2
    assert loud[20_000:].max() < 0.05
    assert loud.max() <= 1.0


@pytest.mark.parametrize(("items", "seed"), [(0, 0), (3, -1)])
def test_what_cannot_be_generated_is_refused(tmp_path, items, seed):
    with pytest.raises(ConfigurationError, match="cannot be generated"):
        generate(tmp_path, items=items, seed=seed)


def test_incidents_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="do not fit"):
        write_recordings(tmp_path, minutes=1.0, incidents=30, seed=0)


def test_lists_that_someone_else_made_are_kept(tmp_path):
    for name in ("manifest.jsonl", "recordings.jsonl"):
        (tmp_path / name).write_text('{"id": "mine", "path": "a.mp4", "split": "train"}\n')
    with pytest.raises(ConfigurationError, match="holds other data"):
        generate(tmp_path, items=2, seed=0, workers=1)
    with pytest.raises(ConfigurationError, match="holds other data"):
        write_recordings(tmp_path, minutes=0.5, incidents=0, seed=0)
