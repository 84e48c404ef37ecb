"""Windows of recordings that a catalogue lists: `path`, and perhaps `start_s`, `end_s` and `subtitles`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from rich.progress import track

from trifuse.preprocessing.audio import AudioSettings
from trifuse.preprocessing.recording import probe, read_clip
from trifuse.preprocessing.subtitles import parse_subtitles
from trifuse.preprocessing.video import VideoSettings
from trifuse.preprocessing.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from trifuse.catalog import Item


def read_window(item: Item, folder: Path, video: VideoSettings, audio: AudioSettings) -> Window:
    """Decode the window of a line of the manifest in `folder`. Raises InputError or OSError."""
    subtitles = item.attributes.get("subtitles")
    cues = None
    if subtitles:
        cues = parse_subtitles((folder / subtitles).read_text(encoding="utf-8-sig"))
    clip = read_clip(item.path, video, audio, start_s=start_of(item), end_s=end_of(item), cues=cues)
    return Window(clip.frames, clip.pcm, clip.text)


def read_windows(
    items: Sequence[Item], folder: Path, settings: Mapping[str, object], frame_shape: tuple[int, int]
) -> list[Window]:
    """Decode windows under a contract's settings, with frames of this (count, size), a thread a core."""
    count, size = frame_shape
    video = replace(VideoSettings.of(settings), frame_count=count, frame_size=size)
    read = partial(read_window, folder=folder, video=video, audio=AudioSettings.of(settings))
    with ThreadPoolExecutor() as pool:
        return list(track(pool.map(read, items), "decoding windows", total=len(items)))


def start_of(item: Item) -> float:
    """Tell where an item's window begins in its file, in seconds."""
    return float(item.attributes.get("start_s", 0.0))


def end_of(item: Item) -> float:
    """Tell where an item's window ends in its file, in seconds."""
    end_s = item.attributes.get("end_s")
    return probe(item.path) if end_s is None else float(end_s)
