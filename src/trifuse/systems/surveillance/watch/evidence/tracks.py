"""What a clip has to know of a connection's tracks, kept for longer than the connection."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import av

from trifuse.systems.surveillance.watch.evidence.packets import VIDEO

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = "mp4"
# Their head may come with the packets only; in MP4 it has to be told beforehand.
_WITH_HEAD = ("h264", "hevc")


class TrackTemplates:
    """Templates for the tracks of MP4 files; `kinds` are "video" and "audio", as the connection has them."""

    def __init__(self, streams: Sequence[Any]) -> None:
        self.kinds = frozenset(stream.type for stream in streams)
        # A stream is gone with its connection; that of a container which is never written stays.
        self._holder = av.open(io.BytesIO(), "w", format=FORMAT)
        self._contexts = {stream.type: stream.codec_context for stream in streams}
        self._templates: dict[str, Any] = {}
        for stream in streams:
            try:
                self._templates[stream.type] = self._holder.add_stream_from_template(stream, opaque=True)
            except ValueError:
                # MP4 has no place for the G.711 sound of many cameras: their clips are silent.
                continue

    def add_to(self, container: av.container.OutputContainer) -> dict[str, Any]:
        """Add the tracks that MP4 can hold to a container; returns its streams by kind."""
        return {kind: self._add(container, kind) for kind in self._templates}

    def _add(self, container: av.container.OutputContainer, kind: str) -> Any:
        template, context = self._templates[kind], self._contexts[kind]
        name = context.codec.canonical_name
        known = template.codec_context.width if kind == VIDEO else True
        if known and (name not in _WITH_HEAD or template.codec_context.extradata):
            return container.add_stream_from_template(template, opaque=True)
        return container.add_mux_stream(name, width=context.width, height=context.height)
