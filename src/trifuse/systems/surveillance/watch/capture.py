"""One thread a camera: opens it, reads it, and opens it again when it is gone."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import av

from trifuse.systems.surveillance.watch.sources import without_secrets
from trifuse.systems.surveillance.watch.worker import Worker

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from av.container import InputContainer
    from av.packet import Packet

    from trifuse.systems.surveillance.watch.feed import Feed, SeenWindow
    from trifuse.systems.surveillance.watch.sources import Source

# Larger than any camera's picture; a damaged head could ask for gigabytes.
_LIMITS = {"max_pixels": str(2**24)}
# UDP loses packets. A second of a stream tells what is in it; FFmpeg would look at five.
_STREAM = {"rtsp_transport": "tcp", "analyzeduration": "1000000"}


@dataclass(frozen=True)
class CaptureSettings:
    """How long to wait for a live camera, and how files are played.

    A connection that gives nothing for `read_timeout_s` is given up. The pauses between attempts double from
    `first_pause_s` to `longest_pause_s`. `real_time` plays files at their own speed, not as fast as possible.
    """

    open_timeout_s: float = 10.0
    read_timeout_s: float = 10.0
    first_pause_s: float = 1.0
    longest_pause_s: float = 30.0
    real_time: bool = False


class Receiver(Protocol):
    """What a capture reports to; called in the capture's thread."""

    def connected(self) -> None:
        """Tell that a connection stands."""

    def disconnected(self, reason: str) -> None:
        """Tell that there is none any more, or none yet, and why."""

    def progressed(self) -> None:
        """Tell that the source showed something new: a picture, or sound if it has no pictures."""

    def window(self, seen: SeenWindow) -> None:
        """Take a window; may block to slow a file down."""

    def finished(self) -> None:
        """Tell that nothing more comes."""


class Capture(Worker):
    """Reads a source until it has ended (a file) or until `stop` is set (a live one).

    While it `waits_for_source`, nothing can end it but the source or a time-out.
    """

    def __init__(
        self,
        source: Source,
        feed: Feed,
        receiver: Receiver,
        settings: CaptureSettings,
        stop: threading.Event,
        gate: AbstractContextManager[Any],
    ) -> None:
        """Prepare to read; the thread passes the gate first, which lets a few through at a time."""
        super().__init__(f"capture {source.name}")
        self._source, self._feed, self._receiver = source, feed, receiver
        self._settings, self._stop_event, self._gate = settings, stop, gate
        self.waits_for_source = False

    def work(self) -> None:
        """Read the source to its end, or until it is to stop."""
        with self._gate:
            self._read_repeatedly()
            for seen in self._feed.finish():
                self._receiver.window(seen)

    def finished(self) -> None:
        """Tell that nothing more comes."""
        self._receiver.finished()

    def _read_repeatedly(self) -> None:
        pause_s = self._settings.first_pause_s
        while not self._stop_event.is_set():
            seen_s = self._feed.newest_s
            reason = self._read()
            if self._stop_event.is_set() or (reason is None and not self._source.live):
                return
            self._receiver.disconnected(reason or "the stream has ended")
            if not self._source.live:
                return
            if self._feed.newest_s > seen_s:
                pause_s = self._settings.first_pause_s
            self._stop_event.wait(pause_s)
            pause_s = min(2 * pause_s, self._settings.longest_pause_s)

    def _read(self) -> str | None:
        """Read one connection to its end; returns what ended it early, if anything did."""
        try:
            with self._open() as container:
                streams = self._feed.connect(container)
                self._receiver.connected()
                self._pump(container, streams)
        except av.ExitError:
            return "nothing came for too long"
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            return without_secrets(str(reason).replace(self._source.address, self._source.shown))
        finally:
            self.waits_for_source = False
        return None

    def _open(self) -> InputContainer:
        self.waits_for_source = True
        timeout = (self._settings.open_timeout_s, self._settings.read_timeout_s)
        live = self._source.live
        return av.open(
            self._source.address,
            options=_LIMITS | (_STREAM if live else {}),
            timeout=timeout if live else None,
            metadata_errors="replace",
        )

    def _pump(self, container: InputContainer, streams: list[Any]) -> None:
        began_s = time.monotonic() - self._feed.newest_s
        shown, shown_at_s = self._feed.shown, time.monotonic()
        for packet in self._packets(container, streams):
            for seen in self._feed.take(packet):
                self._receiver.window(seen)
            if self._feed.shown > shown:
                shown, shown_at_s = self._feed.shown, time.monotonic()
                self._receiver.progressed()
            elif self._source.live and time.monotonic() - shown_at_s > self._settings.read_timeout_s:
                raise TimeoutError("there is sound, but no picture for too long")
            if self._settings.real_time and not self._source.live:
                self._stop_event.wait(max(0.0, self._feed.newest_s - (time.monotonic() - began_s)))
            if self._stop_event.is_set():
                return

    def _packets(self, container: InputContainer, streams: list[Any]) -> Iterator[Packet[Any]]:
        """Read to the end."""
        packets = container.demux(streams)
        # Damaged streams seem to have new tracks, over which PyAV trips at the end.
        with contextlib.suppress(IndexError):
            while True:
                self.waits_for_source = True
                packet = next(packets, None)
                self.waits_for_source = False
                if packet is None:
                    return
                yield packet
