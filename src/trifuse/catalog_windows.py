"""Windows of recordings that a catalogue lists: `path`, and perhaps `start_s`, `end_s` and `subtitles`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trifuse.preprocessing.recording import probe, read_clip
from trifuse.preprocessing.subtitles import parse_subtitles
from trifuse.preprocessing.window import Window

if TYPE_CHECKING:
    from pathlib import Path

    from trifuse.catalog import Item
    from trifuse.preprocessing.audio import AudioSettings
    from trifuse.preprocessing.video import VideoSettings


def read_window(item: Item, folder: Path, video: VideoSettings, audio: AudioSettings) -> Window:
    """Decode the window of a line of the manifest in `folder`. Raises InputError or OSError."""
    subtitles = item.attributes.get("subtitles")
    cues = None
    if subtitles:
        cues = parse_subtitles((folder / subtitles).read_text(encoding="utf-8-sig"))
    clip = read_clip(item.path, video, audio, start_s=start_of(item), end_s=end_of(item), cues=cues)
    return Window(clip.frames, clip.pcm, clip.text)


def start_of(item: Item) -> float:
    """Tell where an item's window begins in its file, in seconds."""
    return float(item.attributes.get("start_s", 0.0))


def end_of(item: Item) -> float:
    """Tell where an item's window ends in its file, in seconds."""
    end_s = item.attributes.get("end_s")
    return probe(item.path) if end_s is None else float(end_s)
