"""Excerpts of a camera's packets as MP4 files, without encoding anything again, and their last picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from PIL import Image, ImageDraw

from trifuse.errors import ArtifactError
from trifuse.systems.surveillance.watch.evidence.tracks import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from av import VideoFrame

    from trifuse.systems.surveillance.watch.evidence.packets import Excerpt

Box = tuple[float, float, float, float]
_BOX_COLOUR, _BOX_WIDTH_SHARE = (255, 60, 40), 1 / 200
_JPEG_QUALITY = 90


def clip_bytes(excerpt: Excerpt) -> bytes:
    """Put packets into an MP4 file that begins at 0 s. Raises ArtifactError for what it cannot hold."""
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=FORMAT) as container:
            streams = excerpt.tracks.add_to(container)
            for packet in _packets(excerpt, streams):
                container.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        raise ArtifactError("the packets cannot be put into an MP4 file", got=error) from error
    return file.getvalue()


def snapshot_bytes(excerpt: Excerpt, box: Box | None = None) -> bytes:
    """Encode the last picture of an excerpt as JPEG, with a box (shares of width and height) drawn into it.

    Raises ArtifactError if it has no picture.
    """
    image = _last_picture(clip_bytes(excerpt))
    if box:
        size = image.size * 2
        corners = [share * side for share, side in zip(box, size, strict=True)]
        width = max(2, round(image.width * _BOX_WIDTH_SHARE))
        ImageDraw.Draw(image).rectangle(corners, outline=_BOX_COLOUR, width=width)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def _last_picture(clip: bytes) -> Image.Image:
    last: VideoFrame | None = None
    try:
        with av.open(io.BytesIO(clip), "r") as container:
            for frame in container.decode(video=0):
                last = frame
    except (av.FFmpegError, IndexError) as error:
        # What was decoded before the damage is better than nothing.
        if last is None:
            raise ArtifactError("the camera has shown no picture", got=error) from error
    if last is None:
        raise ArtifactError("the camera has shown no picture")
    return Image.fromarray(np.asarray(last.to_ndarray(format="rgb24"), np.uint8))


def _packets(excerpt: Excerpt, streams: Mapping[str, Any]) -> Iterator[Any]:
    """Copy the packets, for muxing changes them, on a clock that begins with the first."""
    start_s = min(packet.time_s for packet in excerpt.packets)
    last: dict[str, int] = {}
    for kept in excerpt.packets:
        base = kept.time_base
        shown = round((kept.time_s - start_s) / base)
        decoded = shown - round(kept.ahead_s / base)
        # A file whose decoding times do not rise cannot be written.
        if kept.kind in streams and decoded > last.get(kept.kind, decoded - 1):
            last[kept.kind] = decoded
            packet: Any = av.Packet(kept.data)
            packet.time_base, packet.pts, packet.dts = base, shown, decoded
            packet.is_keyframe, packet.stream = kept.is_keyframe, streams[kept.kind]
            yield packet
