"""A camera on loopback that speaks RTSP over TCP: H.264 and G.711, encoded as they are sent."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

_SOUND_RATE_HZ = 8000
_DESCRIPTION = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track0\r\n"
    "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:track1\r\n"
)
_RTCP = range(192, 224)


class RtspCamera:
    """Plays `picture(time_s)` to everybody who asks, from 0 s on each connection.

    `die` cuts all connections and refuses new ones until `live` is called; `stall` keeps them open and
    sends nothing.
    """

    def __init__(
        self, picture: Callable[[float], NDArray[np.uint8]], *, fps: int = 10, speed: float = 1.0
    ) -> None:
        self._picture, self._fps, self._speed = picture, fps, speed
        self._stalled = threading.Event()
        self._connections: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._serve()

    @property
    def url(self) -> str:
        """Where it is, with a password that must never be shown."""
        return f"rtsp://operator:s3cret@127.0.0.1:{self.port}/live"

    def __enter__(self) -> RtspCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.die()

    def die(self) -> None:
        """Cut all connections and refuse new ones."""
        for open_socket in (self._server, *self._connections):
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._connections.clear()

    def live(self) -> None:
        """Be there again, at the same address."""
        self._server = socket.create_server(("127.0.0.1", self.port))
        self._serve()

    def stall(self) -> None:
        """Send nothing more on the connections that there are."""
        self._stalled.set()

    def _serve(self) -> None:
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                self._connections.append(connection)
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        lock = threading.Lock()

        def send(data: bytes) -> None:
            with lock:
                connection.sendall(data)

        with contextlib.suppress(OSError), connection.makefile("rb") as requests:
            while line := requests.readline():
                if line.startswith(b"$"):
                    continue
                method, url, _ = line.decode("latin-1").split(maxsplit=2)
                headers = dict(_headers(requests))
                send(_response(method, url, headers).encode())
                if method == "PLAY":
                    threading.Thread(target=self._play, args=(send,), daemon=True).start()

    def _play(self, send: Callable[[bytes], None]) -> None:
        tracks = [_Track(send, channel) for channel in (0, 2)]
        video = tracks[0].container.add_stream("libx264", rate=self._fps, options={"tune": "zerolatency"})
        sound = tracks[1].container.add_stream("pcm_mulaw", rate=_SOUND_RATE_HZ, layout="mono")
        video.gop_size = self._fps
        first = self._picture(0.0)
        video.height, video.width, video.pix_fmt = *first.shape[:2], "yuv420p"
        began_s = time.monotonic()
        with contextlib.suppress(OSError, av.FFmpegError):
            for index in range(10**6):
                self._pause(began_s + index / self._fps / self._speed)
                frame = av.VideoFrame.from_ndarray(self._picture(index / self._fps), format="rgb24")
                frame.pts = index
                tracks[0].container.mux(video.encode(frame))
                tracks[1].container.mux(sound.encode(_tone(index, self._fps)))

    def _pause(self, until_s: float) -> None:
        if self._stalled.is_set():
            raise OSError("stalled")
        time.sleep(max(0.0, until_s - time.monotonic()))


class _Track:
    """An RTP stream whose every packet is sent within the RTSP connection."""

    def __init__(self, send: Callable[[bytes], None], channel: int) -> None:
        self._send, self._channel = send, channel
        options = {"packetsize": "1200", "payload_type": "96" if channel == 0 else "0"}
        self.container: Any = av.open(self, "w", format="rtp", container_options=options, buffer_size=4096)

    def write(self, data: bytes) -> int:
        data = bytes(data)
        channel = self._channel + (data[1] in _RTCP)
        self._send(b"$" + bytes([channel]) + struct.pack(">H", len(data)) + data)
        return len(data)


def _headers(requests: Any) -> Any:
    while line := requests.readline().decode("latin-1").strip():
        name, value = line.split(":", 1)
        yield name.lower(), value.strip()


def _response(method: str, url: str, headers: dict[str, str]) -> str:
    body = _DESCRIPTION if method == "DESCRIBE" else ""
    extra = {
        "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
        "DESCRIBE": (
            f"Content-Base: {url}/\r\nContent-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        ),
        "SETUP": f"Transport: {headers.get('transport', '')}\r\nSession: 1;timeout=60\r\n",
    }
    return f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\n{extra.get(method, '')}\r\n{body}"


def _tone(index: int, fps: int) -> av.AudioFrame:
    samples = _SOUND_RATE_HZ // fps
    wave = (8000 * np.sin(0.3 * np.arange(samples))).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(wave[np.newaxis], format="s16", layout="mono")
    frame.sample_rate, frame.pts = _SOUND_RATE_HZ, index * samples
    return frame
