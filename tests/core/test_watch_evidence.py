"""Snapshots and clips show the moment and the seconds around it, as they were encoded."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.core.movies import grey, movie, tone
from trifuse.errors import ArtifactError
from trifuse.systems.surveillance.watch.evidence.clip import clip_bytes, snapshot_bytes
from trifuse.systems.surveillance.watch.evidence.keeper import EvidenceKeeper, EvidenceSettings
from trifuse.systems.surveillance.watch.evidence.packets import EncodedPacket, PacketRing
from trifuse.systems.surveillance.watch.evidence.tracks import TrackTemplates
from trifuse.systems.surveillance.watch.evidence.writer import EvidenceWriter
from trifuse.systems.surveillance.watch.incidents import Alert

pytestmark = pytest.mark.slow

LEVEL_PER_S = 12.0
GOP_S = 0.5


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Twenty seconds whose grey tells the time, a key frame every half second, with B frames."""
    return movie(
        tmp_path_factory.mktemp("film") / "a.mp4",
        seconds=20.0,
        picture=grey(level_per_s=LEVEL_PER_S),
        sound=tone(20.0),
        video_options={"g": "5", "bf": "2", "preset": "fast"},
    )


def packets_of(path: Path) -> tuple[TrackTemplates, list[EncodedPacket]]:
    """Read a file's packets, and close it."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type in ("video", "audio")]
        tracks = TrackTemplates(streams)
        packets = [
            EncodedPacket(
                packet.stream.type,
                float(packet.pts * packet.time_base),
                float((packet.pts - packet.dts) * packet.time_base),
                bytes(packet),
                packet.is_keyframe,
                packet.time_base,
            )
            for packet in container.demux(streams)
            if packet.size
        ]
    return tracks, packets


def filled(path: Path, max_bytes: int = 2**24, keep_s: float = 1000.0) -> PacketRing:
    tracks, packets = packets_of(path)
    ring = PacketRing(max_bytes)
    ring.restart(tracks)
    for packet in packets:
        ring.add(packet, packet.time_s - keep_s)
    return ring


def greys(clip: bytes) -> list[float]:
    with av.open(io.BytesIO(clip)) as container:
        return [float(frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]


def seconds(levels: list[float]) -> tuple[float, float]:
    return levels[0] / LEVEL_PER_S, levels[-1] / LEVEL_PER_S


class TestClips:
    def test_a_clip_shows_the_time_asked_for_from_a_key_frame_on(self, film):
        excerpt = filled(film).excerpt(7.2, 12.0)
        assert excerpt
        first_s, last_s = seconds(greys(clip_bytes(excerpt)))
        assert 7.2 - GOP_S - 0.2 < first_s <= 7.2
        assert last_s == pytest.approx(12.0, abs=0.3)

    def test_nothing_is_encoded_again(self, film):
        ring = filled(film)
        excerpt = ring.excerpt(0.0, 20.0)
        assert excerpt
        with av.open(io.BytesIO(clip_bytes(excerpt))) as container:
            copied = {bytes(packet) for packet in container.demux() if packet.size}
        assert copied == {packet.data for packet in excerpt.packets}

    def test_it_has_the_sound_and_begins_at_zero(self, film):
        excerpt = filled(film).excerpt(10.0, 15.0)
        assert excerpt
        with av.open(io.BytesIO(clip_bytes(excerpt))) as container:
            (sound,) = container.streams.audio
            assert float(sound.duration * sound.time_base) == pytest.approx(5.3, abs=0.5)
            assert next(container.decode(video=0)).time == pytest.approx(0.0, abs=0.25)

    def test_a_ring_of_sound_alone_can_be_cut_too(self, tmp_path):
        path = movie(tmp_path / "a.mp4", fps=None, sound=tone(9.0))
        excerpt = filled(path, keep_s=3.0).excerpt(0.0, 9.0)
        assert excerpt
        assert 5.0 < excerpt.packets[0].time_s <= 6.0
        with pytest.raises(ArtifactError, match="no picture"):
            snapshot_bytes(excerpt)
        with av.open(io.BytesIO(clip_bytes(excerpt))) as container:
            assert 2.5 < container.duration / av.time_base < 4.5


class TestSnapshots:
    def test_it_is_the_last_picture_at_that_time(self, film):
        excerpt = filled(film).excerpt(8.0, 8.0)
        assert excerpt
        picture = np.asarray(Image.open(io.BytesIO(snapshot_bytes(excerpt))))
        assert picture.shape == (48, 64, 3)
        assert picture.mean() / LEVEL_PER_S == pytest.approx(8.0, abs=0.25)

    def test_a_box_is_drawn_where_it_is(self, film):
        excerpt = filled(film).excerpt(2.0, 2.0)
        assert excerpt
        marked = snapshot_bytes(excerpt, (0.5, 0.25, 0.9, 0.75))
        plain = snapshot_bytes(excerpt)
        difference = np.abs(
            np.asarray(Image.open(io.BytesIO(marked)), int) - np.asarray(Image.open(io.BytesIO(plain)), int)
        ).max(axis=2)
        rows, columns = np.nonzero(difference > 80)
        assert (rows.min(), rows.max()) == pytest.approx((12, 36), abs=2)
        assert (columns.min(), columns.max()) == pytest.approx((32, 58), abs=2)


class TestRing:
    def test_it_keeps_what_is_needed_and_little_more(self, film):
        excerpt = filled(film, keep_s=3.0).excerpt(0.0, 20.0)
        assert excerpt
        assert 17.0 - 2 * GOP_S <= excerpt.packets[0].time_s <= 17.0

    def test_it_never_holds_more_bytes_than_it_may(self, film):
        excerpt = filled(film, max_bytes=4000).excerpt(0.0, 20.0)
        assert excerpt
        assert sum(len(packet.data) for packet in excerpt.packets) <= 4000
        assert excerpt.packets[0].is_keyframe

    def test_packets_of_another_connection_are_forgotten(self, film):
        tracks, packets = packets_of(film)
        ring = filled(film)
        ring.restart(tracks)
        assert ring.excerpt(0.0, 20.0) is None
        # Without a key frame nothing could be shown.
        late = [packet for packet in packets if packet.time_s > 3.05]
        for packet in late:
            ring.add(packet, 0.0)
        excerpt = ring.excerpt(0.0, 20.0)
        assert excerpt
        assert excerpt.packets[0].is_keyframe


class TestKeeper:
    @pytest.fixture
    def told(self):
        return []

    @pytest.fixture
    def keeper(self, tmp_path, told, film):
        tracks, packets = packets_of(film)
        writer = EvidenceWriter(tmp_path, told.append)
        keeper = EvidenceKeeper(EvidenceSettings(before_s=2.0, after_s=3.0), writer, reach_back_s=4.0)
        keeper.ring.restart(tracks)

        def play(until_s: float) -> None:
            while packets and packets[0].time_s <= until_s:
                packet = packets.pop(0)
                keeper.ring.add(packet, keeper.keep_from_s)
                keeper.reached(packet.time_s)

        keeper.play = play
        yield keeper
        writer.close(10)

    def alert(self, number: int, time_s: float) -> Alert:
        return Alert("new", str(number), "gate", "fight", time_s - 3.0, time_s, time_s, 0.9, 0.9)

    def levels(self, told, medium: str) -> tuple[float, float]:
        path = next(Path(one["path"]) for one in told if one.get("medium") == medium)
        content = path.read_bytes()
        if medium == "clip":
            return seconds(greys(content))
        level = float(np.asarray(Image.open(io.BytesIO(content))).mean())
        return seconds([level, level])

    def wait(self, told, count: int) -> None:
        for _ in range(400):
            if len(told) >= count:
                return
            threading.Event().wait(0.02)
        pytest.fail(f"only {told}")

    def test_the_snapshot_comes_at_once_and_the_clip_when_its_time_has_come(self, keeper, told):
        keeper.play(10.0)
        keeper.keep(self.alert(1, 9.0))
        self.wait(told, 1)
        assert [one["medium"] for one in told] == ["snapshot"]
        assert self.levels(told, "snapshot")[0] == pytest.approx(9.0, abs=0.3)
        keeper.play(11.9)
        keeper.assessed(11.0)
        assert len(told) == 1
        keeper.play(20.0)
        self.wait(told, 2)
        first_s, last_s = self.levels(told, "clip")
        # From two seconds before it began to three after it was told.
        assert 4.0 - 2 * GOP_S <= first_s <= 4.05
        assert last_s == pytest.approx(12.0, abs=0.4)

    def test_a_clip_ends_with_the_connection(self, keeper, told):
        keeper.play(10.0)
        keeper.keep(self.alert(1, 9.0))
        keeper.ended()
        self.wait(told, 2)
        assert self.levels(told, "clip")[1] == pytest.approx(10.0, abs=0.3)

    def test_an_alert_that_comes_late_still_gets_its_clip(self, keeper, told):
        keeper.play(20.0)
        keeper.keep(self.alert(1, 6.0))
        self.wait(told, 2)
        first_s, last_s = self.levels(told, "clip")
        assert first_s <= 1.05
        assert last_s == pytest.approx(9.0, abs=0.4)

    def test_what_cannot_be_written_is_told(self, tmp_path, told, film):
        (tmp_path / "gate").write_text("in the way")
        writer = EvidenceWriter(tmp_path, told.append)
        excerpt = filled(film).excerpt(1.0, 2.0)
        assert excerpt
        writer.write("clip", self.alert(1, 2.0), excerpt)
        writer.close(10)
        assert [one["record"] for one in told] == ["problem"]
        assert "the clip cannot be written" in told[0]["problem"]
        assert dict(writer.counts) == {"failed": 1}
